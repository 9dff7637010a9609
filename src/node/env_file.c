/* SPDX-License-Identifier: Apache-2.0 */
#include "node/env_file.h"

#define FILES_MAX 256u /* of one container */

/* ---- the language ---- */

typedef struct lines {
	sp_str rest;
	unsigned number; /* of the line that was taken last, from 1 */
	bool is_cut;     /* a line was too long: nothing follows it */
} lines;

static bool next_line(lines *l, sp_str *ret)
{
	if (l->rest.len == 0 || l->is_cut)
		return false;
	if (!sp_str_cut(&l->rest, '\n', ret)) {
		*ret = l->rest;
		l->rest = (sp_str){NULL, 0};
	}
	if (ret->len > NODE_ENV_FILE_LINE_MAX) {
		l->is_cut = true;
		return false;
	}
	if (ret->len > 0 && ret->ptr[ret->len - 1] == '\r')
		ret->len--;
	l->number++;
	return true;
}

static sp_str skip_blanks(sp_str s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = sp_str_sub(s, 1, s.len);
	return s;
}

static sp_code bad_line(const lines *l, const char *why, sp_err *err)
{
	return sp_fail(err, SP_EINVAL, "invalid environment variable format at line %u: %s", l->number, why);
}

/* What follows the first quote, up to the second, over as many lines as it takes. */
static sp_code quoted(lines *l, sp_str text, sp_buf *out, sp_err *err)
{
	unsigned begin = l->number;
	ptrdiff_t end;
	sp_buf_clear(out);
	while ((end = sp_str_index(text, '\'')) < 0) {
		(void)sp_buf_str(out, text);
		(void)sp_buf_char(out, '\n');
		if (!next_line(l, &text))
			return sp_fail(err, SP_EINVAL,
				       "invalid environment variable format starting at line %u: unclosed "
				       "single quote",
				       begin);
	}
	(void)sp_buf_str(out, sp_str_sub(text, 0, (size_t)end));
	text = skip_blanks(sp_str_sub(text, (size_t)end + 1, text.len));
	if (text.len > 0 && text.ptr[0] != '#')
		return bad_line(l, "unexpected content after closing quote", err);
	return sp_buf_code(out);
}

/* NAME='value' at the beginning of a line; *ret_name points into it, the value is in `out`. */
static sp_code assignment(lines *l, sp_str line, sp_str *ret_name, sp_buf *out, sp_err *err)
{
	ptrdiff_t equals = sp_str_index(line, '=');
	if (equals < 0)
		return bad_line(l, "missing '='", err);
	sp_str name = sp_str_sub(line, 0, (size_t)equals),
	       value = sp_str_sub(line, (size_t)equals + 1, line.len);
	if (name.len == 0)
		return bad_line(l, "empty variable name", err);
	if (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t')
		return bad_line(l, "whitespace before '=' is not allowed", err);
	*ret_name = name;
	sp_buf_clear(out);
	if (value.len > 0 && (value.ptr[0] == ' ' || value.ptr[0] == '\t'))
		return SP_OK; /* as for a shell: an empty value, and a word that is none of ours */
	if (value.len == 0 || value.ptr[0] != '\'')
		return bad_line(l, "value must be enclosed in single quotes", err);
	return quoted(l, sp_str_sub(value, 1, value.len), out, err);
}

sp_code node_env_file_value(sp_str text, sp_str key, sp_arena *a, sp_str *ret, sp_err *err)
{
	lines l = {.rest = text};
	sp_str line, name = {NULL, 0};
	SP_AUTO_BUF value;
	sp_buf_init(&value, NODE_ENV_FILE_BYTES_MAX + 1);
	while (next_line(&l, &line)) {
		line = skip_blanks(line);
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		SP_TRY(assignment(&l, line, &name, &value, err));
		if (!sp_str_eq(name, key))
			continue;
		*ret = value.len == 0 ? SP_STR("") : sp_arena_try_dup(a, sp_buf_view(&value));
		return ret->ptr == NULL ? sp_fail(err, SP_ENOMEM, "no memory for a variable") : SP_OK;
	}
	if (l.is_cut)
		return sp_fail(err, SP_EINVAL, "token too long");
	*ret = SP_STR("");
	return SP_OK;
}

/* ---- the files ---- */

static bool is_mounted(const node_pod *p, sp_str volume)
{
	for (size_t i = 0; i < p->n_containers; i++) {
		SP_VLIST_FOREACH(mount, p->containers[i].v.mounts)
		{
			if (sp_str_eq(sp_view_str_at(mount, "name"), volume))
				return true;
		}
	}
	return false;
}

const node_env_file *node_env_files_find(const node_env_files *files, sp_str volume, sp_str path)
{
	for (size_t i = 0; files != NULL && i < files->n; i++) {
		if (sp_str_eq(files->at[i].volume, volume) && sp_str_eq(files->at[i].path, path))
			return &files->at[i];
	}
	return NULL;
}

sp_code node_env_files_of(const node_pod *p, const node_container *c, const node_volumes *volumes,
			  sp_arena *a, node_env_files *ret, sp_err *err)
{
	size_t cap = 0;
	*ret = (node_env_files){0};
	SP_VLIST_FOREACH(var, c->v.env)
	{
		yyjson_val *ref = sp_view_at(var, "valueFrom.fileKeyRef");
		if (ref == NULL)
			continue;
		sp_str volume = sp_view_str_at(ref, "volumeName"), path = sp_view_str_at(ref, "path");
		if (node_env_files_find(ret, volume, path) != NULL)
			continue;
		if (ret->n == cap) {
			size_t more = cap == 0 ? 4 : cap * 2;
			node_env_file *at = more > FILES_MAX ? NULL
							     : sp_arena_try_grow(a, ret->at, cap * sizeof *at,
										 more * sizeof *at);
			if (at == NULL)
				return sp_fail(err, SP_ETOOLARGE,
					       "the environment comes from too many files");
			ret->at = at;
			cap = more;
		}
		/* A volume that no container mounts is not there for kubelet. */
		const node_volume *v = is_mounted(p, volume) ? node_volumes_find(volumes, volume) : NULL;
		ret->at[ret->n++] = (node_env_file){.volume = volume,
						    .path = path,
						    .dir = v == NULL ? (sp_str){NULL, 0} : v->dir,
						    .code = SP_ENOTFOUND};
	}
	return SP_OK;
}

void node_env_files_read(node_env_files *files, sp_pod_files *f, sp_arena *a)
{
	for (size_t i = 0; i < files->n; i++) {
		node_env_file *one = &files->at[i];
		if (one->dir.len != 0)
			one->code = f->read_in(f, one->dir, one->path, NODE_ENV_FILE_BYTES_MAX, a, &one->text,
					       NULL);
	}
}
