/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "cli/cli.h"

const cli_flag *cli_flags_find(const cli_flag *flags, size_t n, sp_str name)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(name, sp_str_c(flags[i].name)))
			return &flags[i];
	}
	return NULL;
}

sp_code cli_flags_unknown(const cli_flag *flags, size_t n, const char *what, sp_str name, sp_err *err)
{
	const char *nearest = NULL;
	size_t best = 4;
	for (size_t i = 0; i < n; i++) {
		size_t d = cli_distance(name, sp_str_c(flags[i].name));
		if (d < best) {
			best = d;
			nearest = flags[i].name;
		}
	}
	const char *again = what[strlen(what) - 1] == '-' ? "--" : "";
	if (nearest != NULL)
		return sp_fail(err, SP_EINVAL, "unknown %s" SP_FMT "; did you mean %s%s?", what, SP_ARG(name),
			       again, nearest);
	return sp_fail(err, SP_EINVAL, "unknown %s" SP_FMT "; --help lists them", what, SP_ARG(name));
}

static sp_code set_bool(const cli_flag *f, sp_str text, sp_err *err)
{
	bool yes = sp_str_eq(text, SP_STR("true")) || sp_str_eq(text, SP_STR("1"));
	if (!yes && !sp_str_eq(text, SP_STR("false")) && !sp_str_eq(text, SP_STR("0")))
		return sp_fail(err, SP_EINVAL, "--%s is true or false, not '" SP_FMT "'", f->name,
			       SP_ARG(text));
	*(bool *)f->value = yes;
	return SP_OK;
}

static sp_code set_secret(const cli_flag *f, sp_str text, sp_err *err)
{
	cli_secret *s = f->value;
	if (text.len > sizeof s->text)
		return sp_fail(err, SP_EINVAL, "--%s is longer than %zu bytes", f->name, sizeof s->text);
	if (text.len > 0)
		memcpy(s->text, text.ptr, text.len);
	s->len = text.len;
	return SP_OK;
}

sp_code cli_flags_set(const cli_flag *f, sp_str text, sp_err *err)
{
	switch (f->type) {
	case CLI_STR:
		*(sp_str *)f->value = text;
		return SP_OK;
	case CLI_SECRET:
		return set_secret(f, text, err);
	case CLI_BOOL:
		return set_bool(f, text, err);
	case CLI_I64:
		if (sp_parse_i64(text, INT64_MIN, INT64_MAX, f->value, NULL) == SP_OK)
			return SP_OK;
		return sp_fail(err, SP_EINVAL, "--%s is a number, not '" SP_FMT "'", f->name, SP_ARG(text));
	}
	SP_UNREACHABLE();
}

sp_code cli_flags_parse(const cli_flag *flags, size_t n, int argc, char **argv, bool *ret_help, sp_err *err)
{
	*ret_help = false;
	for (int i = 1; i < argc && !*ret_help; i++)
		*ret_help = cli_is_help(argv[i]);
	for (int i = 1; i < argc && !*ret_help; i++) {
		sp_str value = sp_str_c(argv[i]), name;
		if (!sp_str_take(&value, SP_STR("--")))
			return sp_fail(err, SP_EINVAL, "unexpected argument '%s'", argv[i]);
		bool has_value = sp_str_cut(&value, '=', &name);
		if (!has_value)
			name = value;
		const cli_flag *f = cli_flags_find(flags, n, name);
		if (f == NULL)
			return cli_flags_unknown(flags, n, "flag --", name, err);
		if (!has_value && f->type == CLI_BOOL) {
			value = SP_STR("true");
		} else if (!has_value) {
			if (i + 1 == argc)
				return sp_fail(err, SP_EINVAL, "--%s needs a value", f->name);
			value = sp_str_c(argv[++i]);
		}
		SP_TRY(cli_flags_set(f, value, err));
		if (f->type == CLI_SECRET && value.len > 0)
			explicit_bzero((char *)(uintptr_t)value.ptr, value.len); /* within argv */
	}
	return SP_OK;
}

void cli_flags_help(const char *usage, const cli_flag *flags, size_t n)
{
	printf("Usage: %s\n\nFlags:\n", usage);
	for (size_t i = 0; i < n; i++) {
		const cli_flag *f = &flags[i];
		int width = printf("  --%s", f->name);
		printf("%*s%s", width < 34 ? 34 - width : 1, "", f->help);
		if (f->type == CLI_STR && ((const sp_str *)f->value)->len > 0)
			printf(" (default \"" SP_FMT "\")", SP_ARG(*(const sp_str *)f->value));
		else if (f->type == CLI_I64)
			printf(" (default %" PRId64 ")", *(const int64_t *)f->value);
		printf("\n");
	}
}
