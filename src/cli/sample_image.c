/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sample_image.h"

#include <sys/utsname.h>

#include "base/tar.h"
#include "io/file.h"
#include "io/tls/sha256.h"

#define PROGRAM_BYTES_MAX ((size_t)16 << 20)
#define TAR_BYTES_MAX ((size_t)40 << 20)
#define PROGRAM_NAME "sampan-sample"

typedef struct making {
	sp_arena *arena;
	sp_sha256_sum *sum;
	sp_buf tar;
	sp_err *err;
} making;

static sp_code put_file(sp_buf *tar, sp_str name, uint32_t mode, sp_str content, sp_err *err)
{
	static const uint8_t zeros[2 * SP_TAR_BLOCK];
	uint8_t head[SP_TAR_BLOCK];
	SP_TRY(sp_tar_head(head, name, mode, content.len, err));
	(void)sp_buf_append(tar, head, sizeof head); /* sticky */
	(void)sp_buf_str(tar, content);
	return sp_buf_append(tar, zeros, (SP_TAR_BLOCK - content.len % SP_TAR_BLOCK) % SP_TAR_BLOCK);
}

static sp_code end_tar(sp_buf *tar)
{
	static const uint8_t zeros[2 * SP_TAR_BLOCK];
	return sp_buf_append(tar, zeros, sizeof zeros);
}

/* A blob of the layout; returns its digest's digits. */
static sp_code put_blob(making *m, sp_str content, sp_str *ret)
{
	char digits[SP_SHA256_TEXT_BYTES + 1];
	sp_sha256_update(m->sum, content.ptr, content.len);
	sp_sha256_text(m->sum, digits);
	*ret = sp_arena_try_dup(m->arena, sp_str_c(digits));
	sp_str name = sp_arena_printf(m->arena, "blobs/sha256/%s", digits);
	return put_file(&m->tar, name, 0644, content, m->err);
}

static const char *architecture(void)
{
	struct utsname u;
	if (uname(&u) == 0 && strcmp(u.machine, "aarch64") == 0)
		return "arm64";
	return "amd64";
}

static sp_code put_documents(making *m, sp_str layer, size_t n_layer, sp_str name)
{
	sp_str config = sp_arena_printf(
		m->arena,
		"{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{\"Entrypoint\":[\"/" PROGRAM_NAME
		"\"],\"ExposedPorts\":{\"8080/"
		"tcp\":{}},\"User\":\"65534:65534\"},\"rootfs\":{\"type\":\"layers\","
		"\"diff_ids\":[\"sha256:" SP_FMT "\"]}}",
		architecture(), SP_ARG(layer));
	sp_str config_sum, manifest_sum;
	SP_TRY(put_blob(m, config, &config_sum));
	sp_str manifest = sp_arena_printf(
		m->arena,
		"{\"schemaVersion\":2,\"mediaType\":\"application/"
		"vnd.oci.image.manifest.v1+json\",\"config\":{"
		"\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:" SP_FMT
		"\",\"size\":%zu},\"layers\":[{\"mediaType\":\"application/"
		"vnd.oci.image.layer.v1.tar\",\"digest\":"
		"\"sha256:" SP_FMT "\",\"size\":%zu}]}",
		SP_ARG(config_sum), config.len, SP_ARG(layer), n_layer);
	SP_TRY(put_blob(m, manifest, &manifest_sum));
	sp_str index = sp_arena_printf(
		m->arena,
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/"
		"vnd.oci.image.manifest.v1+json\","
		"\"digest\":\"sha256:" SP_FMT
		"\",\"size\":%zu,\"annotations\":{\"io.containerd.image.name\":\"" SP_FMT "\"}}]}",
		SP_ARG(manifest_sum), manifest.len, SP_ARG(name));
	SP_TRY(put_file(&m->tar, SP_STR("index.json"), 0644, index, m->err));
	return put_file(&m->tar, SP_STR("oci-layout"), 0644, SP_STR("{\"imageLayoutVersion\":\"1.0.0\"}"),
			m->err);
}

static sp_code make(making *m, sp_str content, sp_str name)
{
	SP_AUTO_BUF layer;
	sp_str layer_sum;
	sp_buf_init(&layer, TAR_BYTES_MAX);
	SP_TRY(put_file(&layer, SP_STR(PROGRAM_NAME), 0755, content, m->err));
	SP_TRY(end_tar(&layer));
	SP_TRY(put_blob(m, sp_buf_view(&layer), &layer_sum));
	SP_TRY(put_documents(m, layer_sum, layer.len, name));
	return end_tar(&m->tar);
}

sp_code cli_sample_image(sp_world *w, sp_arena *a, sp_str program, sp_str name, sp_str tar, sp_err *err)
{
	making m = {.arena = a, .err = err};
	SP_AUTO_BUF content;
	sp_buf_init(&content, PROGRAM_BYTES_MAX);
	SP_TRY(sp_file_read_all(w, program, &content, err));
	m.sum = sp_sha256_new();
	if (m.sum == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory");
	sp_buf_init(&m.tar, TAR_BYTES_MAX);
	sp_code code = make(&m, sp_buf_view(&content), name);
	if (code == SP_OK)
		code = sp_file_replace(w, tar, sp_buf_view(&m.tar), 0644, err);
	sp_sha256_free(m.sum);
	sp_buf_done(&m.tar);
	return code;
}
