/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/yaml.h"
#include "cli/cli.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define NAME_MAX_BYTES 64u

/* ---- the environment ---- */

static const char *value_in(const char *const *env, const char *name)
{
	size_t n = strlen(name);
	for (; env != NULL && *env != NULL; env++) {
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	}
	return NULL;
}

/* "SECURE_PORT" as "secure-port". {NULL, 0}: too long for a name. */
static sp_str option_of(sp_str variable, char out[NAME_MAX_BYTES])
{
	if (variable.len > NAME_MAX_BYTES)
		return (sp_str){NULL, 0};
	for (size_t i = 0; i < variable.len; i++) {
		char c = variable.ptr[i];
		out[i] = c == '_' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	return (sp_str){out, variable.len};
}

static sp_code unknown_variable(sp_str variable, sp_str option, sp_err *err)
{
	char nearest[NAME_MAX_BYTES];
	size_t n = cli_option_nearest(option, nearest, sizeof nearest);
	for (size_t i = 0; i < n; i++)
		nearest[i] = nearest[i] == '-'                        ? '_'
			     : nearest[i] >= 'a' && nearest[i] <= 'z' ? (char)(nearest[i] - 'a' + 'A')
								      : nearest[i];
	if (n > 0)
		return sp_fail(err, SP_EINVAL,
			       "unknown variable " CLI_ENV_PREFIX SP_FMT "; did you mean " CLI_ENV_PREFIX
			       "%.*s?",
			       SP_ARG(variable), (int)n, nearest);
	return sp_fail(err, SP_EINVAL,
		       "unknown variable " CLI_ENV_PREFIX SP_FMT ": no verb has such an option",
		       SP_ARG(variable));
}

/*
 * What the kubelet puts into containers for a Service called sampan or sampan-…: SAMPAN_SERVICE_HOST,
 * SAMPAN_X_PORT=tcp://… and the like. U: pkg/kubelet/envvars.
 */
static bool is_of_service(sp_str variable, sp_str value)
{
	static const char *const schemes[] = {"tcp://", "udp://", "sctp://"};
	static const char *const protocols[] = {"_TCP", "_UDP", "_SCTP"};
	if (sp_str_ends(variable, SP_STR("SERVICE_HOST")) ||
	    sp_str_find(variable, SP_STR("SERVICE_PORT")) >= 0)
		return true;
	for (size_t i = 0; i < SP_LEN(schemes); i++) {
		if (sp_str_starts(value, sp_str_c(schemes[i])) && sp_str_find(variable, SP_STR("PORT")) >= 0)
			return true;
		if (sp_str_find(variable, SP_STR("PORT_")) >= 0 &&
		    sp_str_find(variable, sp_str_c(protocols[i])) >= 0)
			return true;
	}
	return false;
}

static sp_code apply_variable(sp_arena *a, const cli_flag *flags, size_t n, sp_str variable, sp_str value,
			      sp_err *err)
{
	char name[NAME_MAX_BYTES];
	sp_str option = option_of(variable, name);
	if (sp_str_eq(variable, SP_STR("CONFIG")) || is_of_service(variable, value))
		return SP_OK;
	const cli_flag *f = cli_flags_find(flags, n, option);
	if (f == NULL)
		return cli_option_is_known(option) ? SP_OK : unknown_variable(variable, option, err);
	sp_str own = sp_arena_try_dup(a, value);
	if (own.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for the environment");
	sp_code code = cli_flags_set(f, own, err);
	return code == SP_OK ? SP_OK : sp_wrap(err, CLI_ENV_PREFIX SP_FMT, SP_ARG(variable));
}

static sp_code apply_environment(sp_arena *a, const cli_flag *flags, size_t n, const char *const *env,
				 sp_err *err)
{
	for (; env != NULL && *env != NULL; env++) {
		sp_str value = sp_str_c(*env), name;
		if (sp_str_take(&value, SP_STR(CLI_ENV_PREFIX)) && sp_str_cut(&value, '=', &name))
			SP_TRY(apply_variable(a, flags, n, name, value, err));
	}
	return SP_OK;
}

/* ---- the file ---- */

static sp_code read_file(const char *path, bool must, sp_buf *out, bool *ret_there, sp_err *err)
{
	char bytes[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	*ret_there = fd >= 0;
	if (fd < 0 && (must || errno != ENOENT))
		return sp_fail(err, SP_EINVAL, "configuration '%s' can't be read: %s", path,
			       errno == ENOENT ? "there is no such file" : "is it readable by this user?");
	if (fd < 0)
		return SP_OK;
	while ((n = read(fd, bytes, sizeof bytes)) > 0 && sp_buf_append(out, bytes, (size_t)n) == SP_OK)
		;
	(void)close(fd);
	return n == 0 && sp_buf_code(out) == SP_OK
		       ? SP_OK
		       : sp_fail(err, SP_EINVAL, "configuration '%s' can't be read: a file of at most 1 MiB?",
				 path);
}

/* A scalar as a flag would have it. {NULL, 0}: it is none. */
static sp_str text_of(sp_arena *a, yyjson_mut_val *v)
{
	if (yyjson_mut_is_str(v))
		return sp_jmut_str(v);
	if (yyjson_mut_is_bool(v))
		return yyjson_mut_get_bool(v) ? SP_STR("true") : SP_STR("false");
	if (yyjson_mut_is_int(v))
		return sp_arena_printf(a, "%lld", (long long)yyjson_mut_get_sint(v));
	if (yyjson_mut_is_real(v))
		return sp_arena_printf(a, "%.15g", yyjson_mut_get_real(v));
	return (sp_str){NULL, 0};
}

/* Lists become "a,b", as flags that take several have them. */
static sp_code value_of(sp_arena *a, yyjson_mut_val *v, sp_str *ret, sp_err *err)
{
	size_t i, n;
	yyjson_mut_val *item;
	SP_AUTO_BUF out;
	sp_buf_init(&out, FILE_BYTES_MAX);
	*ret = text_of(a, v);
	if (ret->ptr != NULL)
		return SP_OK;
	if (!yyjson_mut_is_arr(v))
		return sp_fail(err, SP_EINVAL, "a text, a number, true, false or a list of them is wanted");
	yyjson_mut_arr_foreach(v, i, n, item)
	{
		sp_str text = text_of(a, item);
		if (text.ptr == NULL)
			return sp_fail(err, SP_EINVAL, "a list of texts or numbers is wanted");
		if (i > 0)
			(void)sp_buf_char(&out, ',');
		(void)sp_buf_str(&out, text);
	}
	*ret = sp_arena_try_dup(a, sp_buf_view(&out));
	return ret->ptr != NULL && sp_buf_code(&out) == SP_OK ? SP_OK
							      : sp_fail(err, SP_ENOMEM, "no room for a list");
}

static sp_code apply_section(sp_arena *a, const cli_flag *flags, size_t n, yyjson_mut_val *section,
			     sp_err *err)
{
	size_t i, max;
	yyjson_mut_val *key, *v;
	if (yyjson_mut_is_null(section))
		return SP_OK;
	if (!yyjson_mut_is_obj(section))
		return sp_fail(err, SP_EINVAL, "it is no list of options");
	yyjson_mut_obj_foreach(section, i, max, key, v)
	{
		sp_str name = sp_jmut_str(key), value;
		const cli_flag *f = cli_flags_find(flags, n, name);
		if (f == NULL)
			return cli_flags_unknown(flags, n, "option ", name, err);
		if (value_of(a, v, &value, err) != SP_OK || cli_flags_set(f, value, err) != SP_OK)
			return sp_wrap(err, SP_FMT, SP_ARG(name));
	}
	return SP_OK;
}

static sp_code check_sections(yyjson_mut_val *root, sp_err *err)
{
	size_t i, n;
	yyjson_mut_val *key, *v;
	if (!yyjson_mut_is_obj(root) && !yyjson_mut_is_null(root))
		return sp_fail(err, SP_EINVAL, "it has no sections");
	yyjson_mut_obj_foreach(root, i, n, key, v)
	{
		sp_str name = sp_jmut_str(key);
		if (cli_find(name) != NULL)
			continue;
		const cli_verb *nearest = cli_nearest(name);
		return sp_fail(err, SP_EINVAL, "unknown section '" SP_FMT "'%s%s%s", SP_ARG(name),
			       nearest != NULL ? "; did you mean '" : ": sections are verbs",
			       nearest != NULL ? nearest->name : "", nearest != NULL ? "'?" : "");
	}
	return SP_OK;
}

static sp_code apply_file(sp_arena *a, const char *verb, const cli_flag *flags, size_t n,
			  const char *const *env, sp_err *err)
{
	const char *named = value_in(env, CLI_ENV_PREFIX "CONFIG");
	const char *path = named != NULL ? named : CLI_CONFIG_FILE;
	bool there;
	yyjson_mut_val *root = NULL;
	SP_AUTO_BUF text;
	sp_buf_init(&text, FILE_BYTES_MAX);
	SP_TRY(read_file(path, named != NULL, &text, &there, err));
	if (!there)
		return SP_OK;
	yyjson_mut_doc *doc = sp_json_doc(a);
	sp_code code = doc == NULL ? sp_fail(err, SP_ENOMEM, "no memory")
				   : sp_yaml_parse(a, sp_buf_view(&text), doc, NULL, &root, err);
	if (code == SP_OK)
		code = check_sections(root, err);
	yyjson_mut_val *section = code == SP_OK ? sp_jmut_get(root, sp_str_c(verb)) : NULL;
	if (section != NULL && apply_section(a, flags, n, section, err) != SP_OK)
		code = sp_wrap(err, "section '%s'", verb);
	return code == SP_OK ? SP_OK : sp_wrap(err, "configuration '%s'", path);
}

sp_code cli_config_apply(sp_arena *a, const char *verb, const cli_flag *flags, size_t n,
			 const char *const *env, sp_err *err)
{
	SP_TRY(apply_file(a, verb, flags, n, env, err));
	return apply_environment(a, flags, n, env, err);
}
