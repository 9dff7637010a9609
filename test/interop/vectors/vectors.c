/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codecs against the round-trip data of the public Kubernetes API repository: for each GROUP.VERSION.KIND
 * .json, .pb and .yaml in a folder. JSON must come back as it is, become the same protobuf bytes, come back
 * from them, and both ways through YAML. The last line sums up.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/yaml.h"
#include "kube/decode.h"
#include "kube/encode.h"
#include "kube/protobuf.h"

static size_t n_passed, n_failed, n_unknown;

static void result(const char *file, const char *what, bool ok, const char *detail)
{
	if (ok)
		n_passed++;
	else
		n_failed++;
	if (!ok)
		printf("FAIL %s: %s: %s\n", file, what, detail);
}

static sp_str slurp(sp_arena *a, const char *dir, const char *name, const char *ext)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s.%s", dir, name, ext);
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return (sp_str){NULL, 0};
	char *p = sp_arena_alloc(a, (size_t)1 << 20);
	size_t n = fread(p, 1, (size_t)1 << 20, f);
	fclose(f);
	return (sp_str){p, n};
}

/* Blanks and the order of members do not count: both sides go through the sorting writer. */
static sp_str sorted(sp_arena *a, sp_str json)
{
	yyjson_mut_doc *doc = sp_json_doc(a);
	yyjson_mut_val *v;
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 24);
	if (sp_json_parse_mut(a, json, doc, &v, NULL) != SP_OK || sp_encode_any(&out, v) != SP_OK)
		return (sp_str){NULL, 0};
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

static size_t difference(sp_str a, sp_str b)
{
	size_t i = 0;
	while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i])
		i++;
	return i;
}

static const char *show(sp_arena *a, sp_str got, sp_str want)
{
	size_t at = difference(got, want);
	size_t from = at > 40 ? at - 40 : 0;
	sp_str g = sp_str_sub(got, from, at + 80);
	sp_str w = sp_str_sub(want, from, at + 80);
	return sp_arena_printf(a, "at %zu\n  got  " SP_FMT "\n  want " SP_FMT, at, SP_ARG(g), SP_ARG(w)).ptr;
}

static void check_protobuf(sp_arena *a, const char *dir, const char *name, const sp_kind *kind,
			   sp_str canonical)
{
	sp_err err = {0};
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 24);
	sp_str pb = slurp(a, dir, name, "pb");
	if (pb.ptr == NULL)
		return;
	sp_code code = sp_protobuf_encode(a, &out, kind->schema, canonical, &err);
	sp_str got = sp_buf_view(&out);
	const char *detail = err.msg;
	if (code == SP_OK)
		detail = sp_arena_printf(a, "%zu bytes for %zu, first difference at %zu", got.len, pb.len,
					 difference(got, pb))
				 .ptr;
	result(name, "json to protobuf", code == SP_OK && sp_str_eq(got, pb), detail);
	sp_protobuf_envelope e;
	yyjson_mut_doc *doc = sp_json_doc(a);
	yyjson_mut_val *v;
	SP_AUTO_BUF json;
	sp_buf_init(&json, (size_t)1 << 24);
	code = sp_protobuf_open(pb, &e, &err);
	if (code == SP_OK)
		code = sp_protobuf_decode(a, kind->schema, e.raw, e.api_version, e.kind, doc, &v, &err);
	if (code == SP_OK)
		code = sp_encode_json(&json, kind->schema, v);
	result(name, "protobuf to json", code == SP_OK && sp_str_eq(sp_buf_view(&json), canonical),
	       code == SP_OK ? show(a, sp_buf_view(&json), canonical) : err.msg);
}

static void check_yaml(sp_arena *a, const char *dir, const char *name, sp_str json)
{
	sp_err err = {0};
	yyjson_mut_doc *doc = sp_json_doc(a);
	yyjson_mut_val *v = NULL;
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 24);
	sp_str yaml = slurp(a, dir, name, "yaml");
	if (yaml.ptr == NULL)
		return;
	sp_code code = sp_json_parse_mut(a, json, doc, &v, &err);
	if (code == SP_OK)
		code = sp_yaml_write(&out, v, &err);
	result(name, "json to yaml", code == SP_OK && sp_str_eq(sp_buf_view(&out), yaml),
	       code == SP_OK ? show(a, sp_buf_view(&out), yaml) : err.msg);
	sp_buf_clear(&out);
	code = sp_yaml_parse(a, yaml, doc, NULL, &v, &err);
	if (code == SP_OK)
		code = sp_encode_any(&out, v);
	sp_str want = sorted(a, json);
	result(name, "yaml to json", code == SP_OK && sp_str_eq(sp_buf_view(&out), want),
	       code == SP_OK ? show(a, sp_buf_view(&out), want) : err.msg);
}

/* "apps.v1.Deployment", "admission.k8s.io.v1beta1.AdmissionReview"; core is the empty group. */
static const sp_kind *kind_of(const char *name)
{
	sp_str rest = sp_str_c(name);
	ptrdiff_t dot = sp_str_rindex(rest, '.');
	if (dot < 0)
		return NULL;
	sp_str kind = sp_str_sub(rest, (size_t)dot + 1, rest.len);
	rest = sp_str_sub(rest, 0, (size_t)dot);
	dot = sp_str_rindex(rest, '.');
	sp_str version = sp_str_sub(rest, (size_t)(dot + 1), rest.len);
	sp_str group = sp_str_sub(rest, 0, (size_t)SP_MAX(dot, 0));
	if (sp_str_eq(group, SP_STR("core")))
		group = SP_STR("");
	return sp_kind_by_kind(group, version, kind);
}

static void check(const char *dir, const char *name)
{
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)256 << 20);
	sp_err err = {0};
	sp_str json = slurp(&a, dir, name, "json");
	check_yaml(&a, dir, name, json);
	const sp_kind *kind = kind_of(name);
	if (kind == NULL) {
		n_unknown++;
		return;
	}
	yyjson_mut_doc *doc = sp_json_doc(&a);
	yyjson_mut_val *v;
	sp_strict strict = {0};
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 24);
	sp_code code = sp_decode_json(&a, kind->schema, json, doc, &strict, &v, &err);
	if (code == SP_OK)
		code = sp_encode_json(&out, kind->schema, v);
	if (code != SP_OK) {
		result(name, "decode", false, err.msg);
		return;
	}
	result(name, "nothing unknown", strict.n == 0, strict.n != 0 ? strict.items[0].ptr : "");
	/* The files are indented; compact they must be the same text, order of members included. */
	SP_AUTO_BUF compact;
	sp_buf_init(&compact, (size_t)1 << 24);
	yyjson_val *parsed;
	code = sp_json_parse_raw(&a, json, &parsed, &err);
	if (code == SP_OK)
		code = sp_json_write(&compact, parsed);
	result(name, "json to json", code == SP_OK && sp_str_eq(sp_buf_view(&out), sp_buf_view(&compact)),
	       show(&a, sp_buf_view(&out), sp_buf_view(&compact)));
	check_protobuf(&a, dir, name, kind, sp_buf_view(&out));
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	if (dir == NULL) {
		fprintf(stderr, "usage: vectors DIRECTORY\n");
		return 2;
	}
	for (struct dirent *d; (d = readdir(dir)) != NULL;) {
		char name[256];
		size_t n = strlen(d->d_name);
		if (n < 6 || n >= sizeof name || strcmp(d->d_name + n - 5, ".json") != 0 ||
		    strstr(d->d_name, ".after_roundtrip") != NULL)
			continue;
		memcpy(name, d->d_name, n - 5);
		name[n - 5] = '\0';
		check(argv[1], name);
	}
	closedir(dir);
	printf("%zu kinds are not built in\n%zu passed, %zu failed\n", n_unknown, n_passed, n_failed);
	return n_failed == 0 && n_passed > 0 ? 0 : 1;
}
