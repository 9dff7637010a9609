/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/args.h"

#include "base/pb.h"

typedef struct flag {
	const char *name;
	size_t text, truth; /* offset of one of them, else SIZE_MAX */
} flag;

#define TEXT(name, field)                                    \
	{                                                    \
		(name), offsetof(shim_args, field), SIZE_MAX \
	}
#define TRUTH(name, field)                                   \
	{                                                    \
		(name), SIZE_MAX, offsetof(shim_args, field) \
	}

static const flag flags[] = {
	TEXT("namespace", ns),
	TEXT("address", address),
	TEXT("id", id),
	TEXT("bundle", bundle),
	TEXT("socket", socket),
	TRUTH("debug", debug),
	TRUTH("v", version),
	TRUTH("info", info),
	{"publish-binary", SIZE_MAX, SIZE_MAX}, /* events go by ttrpc */
};

static const flag *find_flag(sp_str name)
{
	for (size_t i = 0; i < SP_LEN(flags); i++) {
		if (sp_str_eq(name, sp_str_c(flags[i].name)))
			return &flags[i];
	}
	return NULL;
}

sp_code shim_args_parse(int argc, const char *const *argv, shim_args *ret, sp_err *err)
{
	shim_args out = {"", "", "", "", "", "", false, false, false};
	for (int i = 1; i < argc; i++) {
		sp_str word = sp_str_c(argv[i]), name;
		if (!sp_str_take(&word, SP_STR("--")) && !sp_str_take(&word, SP_STR("-"))) {
			out.action = argv[i];
			break;
		}
		bool has_value = sp_str_cut(&word, '=', &name);
		const flag *f = find_flag(has_value ? name : word);
		if (f == NULL)
			return sp_fail(err, SP_EINVAL, "unknown flag %s", argv[i]);
		if (f->truth != SIZE_MAX) {
			*(bool *)((char *)&out + f->truth) = !has_value || sp_str_eq(word, SP_STR("true"));
			continue;
		}
		if (!has_value && i + 1 == argc)
			return sp_fail(err, SP_EINVAL, "flag %s needs a value", argv[i]);
		const char *value = has_value ? word.ptr : argv[++i];
		if (f->text != SIZE_MAX)
			*(const char **)(void *)((char *)&out + f->text) = value;
	}
	*ret = out;
	return SP_OK;
}

/* ---- standard input ---- */

static bool looks_like_params(sp_str bytes)
{
	sp_pb_field f;
	while (bytes.len > 0) {
		if (sp_pb_next(&bytes, "input", &f, NULL) != SP_OK)
			return false;
		if (f.number > 2)
			return true;
	}
	return false;
}

sp_code shim_options_of(const shim_any *any, sp_arena *a, shim_options *ret, sp_err *err)
{
	*ret = (shim_options){0};
	if (any == NULL)
		return SP_OK;
	sp_str type = any->type_url;
	(void)sp_str_take(&type, SP_STR("type.googleapis.com/"));
	if (!sp_str_eq(type, sp_str_c(shim_options_message.name)))
		return SP_OK;
	return sp_pb_decode(&shim_options_message, any->value, a, ret, err);
}

sp_code shim_boot_parse(sp_str bytes, sp_arena *a, shim_boot *ret, sp_err *err)
{
	shim_boot out = {.is_params = looks_like_params(bytes)};
	if (!out.is_params) {
		shim_any any;
		SP_TRY(sp_pb_decode(&shim_any_message, bytes, a, &any, err));
		SP_TRY(shim_options_of(&any, a, &out.options, err));
		*ret = out;
		return SP_OK;
	}
	shim_bootstrap params;
	SP_TRY(sp_pb_decode(&shim_bootstrap_message, bytes, a, &params, err));
	out.ttrpc_address = params.ttrpc_address;
	out.socket_dir = params.socket_dir;
	for (size_t i = 0; i < params.extensions.n; i++) {
		const shim_any *any = params.extensions.at[i].value;
		sp_str type = any == NULL ? SP_STR("") : any->type_url;
		if (sp_str_ends(type, sp_str_c(shim_options_message.name)))
			SP_TRY(shim_options_of(any, a, &out.options, err));
		else if (any != NULL && sp_str_ends(type, sp_str_c(shim_owner_message.name)))
			SP_TRY(sp_pb_decode(&shim_owner_message, any->value, a, &out.owner, err));
	}
	*ret = out;
	return SP_OK;
}
