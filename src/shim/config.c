/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/config.h"

#include "base/json_span.h"

#define TEXT_BYTES_MAX ((size_t)64 << 10)

/* A string value's characters; empty when there is no room or it is none. */
static sp_str text_of(sp_str value, sp_arena *a)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	if (sp_json_span_text(value, &text) != SP_OK)
		return (sp_str){NULL, 0};
	return sp_arena_try_dup(a, sp_buf_view(&text));
}

/* An absent member is an empty text; anything else that goes wrong is an error. */
static sp_code member(sp_str object, const char *key, sp_str *ret, sp_err *err)
{
	*ret = (sp_str){NULL, 0};
	sp_code code = sp_json_span(object, sp_str_c(key), ret);
	if (code == SP_OK || code == SP_ENOTFOUND)
		return SP_OK;
	return sp_fail(err, SP_EINVAL, "config.json: malformed at \"%s\"", key);
}

static sp_code read_group(sp_str config, sp_arena *a, shim_config *out, sp_err *err)
{
	static const char *const keys[] = {"io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"};
	sp_str annotations, value;
	SP_TRY(member(config, "annotations", &annotations, err));
	if (annotations.len == 0 || sp_str_eq(annotations, SP_STR("null")))
		return SP_OK;
	for (size_t i = 0; i < SP_LEN(keys) && out->group.len == 0; i++) {
		SP_TRY(member(annotations, keys[i], &value, err));
		if (value.len > 0)
			out->group = text_of(value, a);
	}
	return SP_OK;
}

static sp_code read_namespaces(sp_str linux_part, shim_config *out, sp_err *err)
{
	sp_str all, one, type, path;
	SP_TRY(member(linux_part, "namespaces", &all, err));
	while (sp_json_span_next(&all, &one)) {
		SP_TRY(member(one, "type", &type, err));
		SP_TRY(member(one, "path", &path, err));
		if (sp_str_eq(type, SP_STR("\"pid\"")) && path.len <= 2)
			out->own_pid_ns = true;
	}
	return SP_OK;
}

static sp_code read_linux(sp_str linux_part, sp_arena *a, shim_config *out, sp_err *err)
{
	sp_str path;
	SP_TRY(member(linux_part, "cgroupsPath", &path, err));
	if (path.len > 0)
		out->cgroup = text_of(path, a);
	return read_namespaces(linux_part, out, err);
}

sp_code shim_config_parse(sp_str json, sp_arena *a, shim_config *ret, sp_err *err)
{
	shim_config out = {0};
	sp_str linux_part;
	SP_TRY(read_group(json, a, &out, err));
	SP_TRY(member(json, "linux", &linux_part, err));
	if (linux_part.len > 0 && !sp_str_eq(linux_part, SP_STR("null")))
		SP_TRY(read_linux(linux_part, a, &out, err));
	/* Wherever the word stands: to be wrong here costs only the choice of the other runtime. */
	out.shares_mounts =
		sp_str_find(json, SP_STR("\"rshared\"")) >= 0 || sp_str_find(json, SP_STR("\"shared\"")) >= 0;
	*ret = out;
	return SP_OK;
}

sp_str shim_log_error(sp_str lines, sp_arena *a)
{
	sp_str last = {NULL, 0}, line, level, msg;
	while (lines.len > 0) {
		if (!sp_str_cut(&lines, '\n', &line)) {
			line = lines;
			lines = (sp_str){NULL, 0};
		}
		if (sp_json_span(line, SP_STR("level"), &level) == SP_OK &&
		    sp_str_eq(level, SP_STR("\"error\"")) && sp_json_span(line, SP_STR("msg"), &msg) == SP_OK)
			last = msg;
	}
	return last.len == 0 ? last : sp_str_trim(text_of(last, a));
}
