/* SPDX-License-Identifier: Apache-2.0 */
/* Writes our OpenAPI documents: dump DIRECTORY makes swagger.json, v3/PATH.json (slashes as "__") and the
 * protobuf forms beside them (.pb). */
#include <stdio.h>
#include <sys/stat.h>

#include "kube/openapi/openapi.h"

static int write_file(const char *dir, sp_str name, const char *suffix, sp_str text)
{
	char path[4096], flat[512];
	size_t n = 0;
	for (size_t i = 0; i < name.len && n + 2 < sizeof flat; i++) {
		flat[n++] = name.ptr[i] == '/' ? '_' : name.ptr[i];
		if (name.ptr[i] == '/')
			flat[n++] = '_';
	}
	(void)snprintf(path, sizeof path, "%s/%.*s%s", dir, (int)n, flat, suffix);
	FILE *f = fopen(path, "w");
	if (f == NULL)
		return 1;
	bool ok = fwrite(text.ptr, 1, text.len, f) == text.len;
	return fclose(f) != 0 || !ok;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	sp_openapi_source from = {.builtin = sp_kinds, .n_builtin = sp_n_kinds};
	sp_arena a;
	sp_buf out, pb;
	sp_arena_init(&a, (size_t)256 << 20);
	sp_buf_init(&out, SP_OPENAPI_BYTES_MAX);
	sp_buf_init(&pb, SP_OPENAPI_BYTES_MAX);
	char v3[4096];
	sp_err err = {.code = SP_OK};
	(void)snprintf(v3, sizeof v3, "%s/v3", argv[1]);
	(void)mkdir(v3, 0777);
	int failed = sp_openapi_v2(&a, &out, &from) != SP_OK ||
		     write_file(argv[1], SP_STR("swagger"), ".json", sp_buf_view(&out)) != 0 ||
		     sp_openapi_v2_proto(&a, &pb, sp_buf_view(&out), &err) != SP_OK ||
		     write_file(argv[1], SP_STR("swagger"), ".pb", sp_buf_view(&pb)) != 0;
	sp_str *paths;
	size_t n = 0;
	failed |= sp_openapi_v3_paths(&a, &from, &paths, &n) != SP_OK;
	for (size_t i = 0; i < n; i++) {
		sp_buf_clear(&out);
		sp_buf_clear(&pb);
		failed |= sp_openapi_v3(&a, &out, &from, paths[i]) != SP_OK ||
			  write_file(v3, paths[i], "_openapi.json", sp_buf_view(&out)) != 0 ||
			  sp_openapi_v3_proto(&a, &pb, sp_buf_view(&out), &err) != SP_OK ||
			  write_file(v3, paths[i], "_openapi.pb", sp_buf_view(&pb)) != 0;
		if (failed != 0)
			(void)fprintf(stderr, "%.*s: %s\n", (int)paths[i].len, paths[i].ptr, err.msg);
	}
	sp_buf_done(&pb);
	sp_buf_done(&out);
	sp_arena_done(&a);
	return failed;
}
