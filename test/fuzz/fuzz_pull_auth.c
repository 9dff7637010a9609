/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations of credentials in pull secrets, for an image that the first line names. */
#include "base/base64.h"
#include "base/buf.h"
#include "node/pull_auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sp_str get_secret(void *arg, node_ref_kind kind, sp_str ns, sp_str name)
{
	const sp_str *secret = arg;
	(void)kind, (void)ns, (void)name;
	return *secret;
}

static void look(const node_pod *p, sp_str image, sp_str config, const char *type, const char *key,
		 sp_arena *a)
{
	SP_AUTO_BUF secret;
	sp_buf_init(&secret, (size_t)1 << 20);
	(void)sp_buf_printf(&secret, "{\"type\":\"%s\",\"data\":{\"%s\":\"", type, key);
	(void)!sp_base64_append(&secret, config.ptr, config.len);
	(void)sp_buf_printf(&secret, "\"}}");
	sp_str json = sp_buf_view(&secret);
	node_objects objects = {.get = get_secret, .arg = &json};
	node_auths found;
	if (sp_buf_code(&secret) == SP_OK)
		(void)!node_auths_find(p, &objects, image, a, &found, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_arena arena;
	node_pod *p;
	sp_str text = {(const char *)data, size}, image;
	if (size > 65536 || !sp_str_cut(&text, '\n', &image) ||
	    node_pod_parse(SP_STR("{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"spec\":{"
				  "\"imagePullSecrets\":[{\"name\":"
				  "\"s\"}],\"containers\":[{\"name\":\"c\"}]}}"),
			   &p, NULL) != SP_OK)
		return 0;
	sp_arena_init(&arena, (size_t)16 << 20);
	look(p, image, text, "kubernetes.io/dockerconfigjson", ".dockerconfigjson", &arena);
	look(p, image, text, "kubernetes.io/dockercfg", ".dockercfg", &arena);
	sp_arena_done(&arena);
	node_pod_free(p);
	return 0;
}
