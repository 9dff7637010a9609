/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a volume that hide each other. U: kubernetes pkg/api/pod/warnings.go. */
#include "base/quote.h"
#include "kube/kinds/pod_int.h"

/* A path within a volume and where it comes from. */
typedef struct file {
	sp_str path, source;
} file;

/* A new path is compared with as many of those before it, and no more than PATHS_MAX of a volume are looked
 * at; beyond that the warnings are not complete. */
#define COMPARED_MAX 200u
#define PATHS_MAX 5000u

typedef struct volume_files {
	sp_kind_ctx *c;
	sp_str volume, kind; /* `ConfigMap "name"` */
	file seen[COMPARED_MAX];
	size_t n_seen, n;
} volume_files;

static bool is_under(sp_str inner, sp_str outer)
{
	return sp_str_starts(inner, outer) && (inner.len == outer.len || inner.ptr[outer.len] == '/');
}

static void write_file(sp_buf *out, const file *f)
{
	(void)sp_quote_go(out, f->path);
	if (f->source.len > 0)
		(void)sp_buf_printf(out, " (" SP_FMT ")", SP_ARG(f->source));
}

static void add_file(volume_files *v, sp_str path, sp_str source)
{
	while (path.len > 0 && path.ptr[path.len - 1] == '/')
		path.len--;
	file mine = {path, source};
	if (++v->n > PATHS_MAX || v->c->warnings.n == SP_WARNINGS_MAX)
		return;
	for (size_t i = 0; i < v->n_seen && path.len > 0; i++) {
		const file *other = &v->seen[i];
		if (other->path.len == 0 || (!is_under(other->path, path) && !is_under(path, other->path)))
			continue;
		SP_AUTO_BUF text;
		sp_buf_init(&text, v->c->arena->limit_bytes);
		(void)sp_buf_str(&text, SP_STR("volume "));
		(void)sp_quote_go(&text, v->volume);
		(void)sp_buf_printf(&text, " (" SP_FMT "): overlapping paths: ", SP_ARG(v->kind));
		write_file(&text, &mine);
		(void)sp_buf_str(&text, SP_STR(" with "));
		write_file(&text, other);
		SP_KIND_NEED(v->c, sp_buf_code(&text) == SP_OK);
		sp_str all = sp_buf_view(&text);
		sp_warn(v->c, SP_FMT, SP_ARG(all));
	}
	if (v->n_seen < COMPARED_MAX)
		v->seen[v->n_seen++] = mine;
}

static void add_items(volume_files *v, yyjson_mut_val *source, sp_str name)
{
	SP_KV_EACH (item, i, sp_kv_list(source, "items"))
		add_file(v, sp_kv_str(item, "path"), name);
}

/* `What "name"`. */
static sp_str named(sp_kind_ctx *c, const char *what, sp_str name)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, c->arena->limit_bytes);
	(void)sp_buf_printf(&text, "%s ", what);
	(void)sp_quote_go(&text, name);
	return sp_arena_try_dup(c->arena, sp_buf_view(&text));
}

static void add_projection(volume_files *v, yyjson_mut_val *part)
{
	yyjson_mut_val *map = sp_kv_get(part, "configMap"), *secret = sp_kv_get(part, "secret");
	yyjson_mut_val *downward = sp_kv_get(part, "downwardAPI"),
		       *token = sp_kv_get(part, "serviceAccountToken");
	if (sp_kv_list(map, "items") != NULL)
		add_items(v, map, named(v->c, "ConfigMap", sp_kv_str(map, "name")));
	else if (sp_kv_list(secret, "items") != NULL)
		add_items(v, secret, named(v->c, "Secret", sp_kv_str(secret, "name")));
	else if (sp_kv_list(downward, "items") != NULL)
		add_items(v, downward, SP_STR("DownwardAPI"));
	else if (token != NULL)
		add_file(v, sp_kv_str(token, "path"), SP_STR("ServiceAccountToken"));
}

static bool is_empty(yyjson_mut_val *part)
{
	SP_KV_EACH_MEMBER (key, val, i, part) {
		(void)key;
		if (!yyjson_mut_is_null(val))
			return false;
	}
	return true;
}

static void one_source(sp_kind_ctx *c, sp_str volume, sp_str kind, yyjson_mut_val *source)
{
	volume_files v = {.c = c, .volume = volume, .kind = kind};
	add_items(&v, source, SP_STR(""));
}

void sp_volume_paths_warn(sp_kind_ctx *c, yyjson_mut_val *volumes)
{
	SP_KV_EACH (volume, i, volumes) {
		yyjson_mut_val *map = sp_kv_get(volume, "configMap"), *secret = sp_kv_get(volume, "secret");
		sp_str name = sp_kv_str(volume, "name");
		if (sp_kv_list(map, "items") != NULL)
			one_source(c, name, named(c, "ConfigMap", sp_kv_str(map, "name")), map);
		if (sp_kv_list(secret, "items") != NULL)
			one_source(c, name, named(c, "Secret", sp_kv_str(secret, "secretName")), secret);
		one_source(c, name, SP_STR("DownwardAPI"), sp_kv_get(volume, "downwardAPI"));
		volume_files v = {.c = c, .volume = name, .kind = SP_STR("Projected")};
		SP_KV_EACH (part, k, sp_kv_list(sp_kv_get(volume, "projected"), "sources")) {
			if (is_empty(part))
				sp_warn(c, "volume \"" SP_FMT "\" (Projected) has no sources provided",
					SP_ARG(name));
			else
				add_projection(&v, part);
		}
	}
}
