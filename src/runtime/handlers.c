/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/handlers.h"

#define NAME_BYTES 63u /* U: k8s.io/api/node/v1, RuntimeClass.handler: a DNS label */

static bool is_label(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool inner = i > 0 && i + 1 < s.len;
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && inner)))
			return false;
	}
	return s.len > 0 && s.len <= NAME_BYTES;
}

static sp_code add(rt_handler *h, size_t *n, sp_str row, sp_err *err)
{
	sp_str name, program = row;
	if (!sp_str_cut(&program, '=', &name) || program.len == 0)
		return sp_fail(err, SP_EINVAL, "runtime handler '" SP_FMT "': name=program is wanted",
			       SP_ARG(row));
	if (!is_label(name))
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' can't be the name of a runtime handler",
			       SP_ARG(name));
	for (size_t i = 0; i < *n; i++) {
		if (sp_str_eq(h[i].name, name))
			return sp_fail(err, SP_EINVAL, "runtime handler '" SP_FMT "' is there twice",
				       SP_ARG(name));
	}
	if (*n >= RT_HANDLERS_MAX)
		return sp_fail(err, SP_EINVAL, "more than %u runtime handlers", RT_HANDLERS_MAX);
	h[(*n)++] = (rt_handler){.name = name, .shim_options = program};
	return SP_OK;
}

sp_code rt_handlers_parse(sp_str text, sp_arena *a, rt_handler **ret, size_t *ret_n, sp_err *err)
{
	rt_handler *h = sp_new(a, rt_handler, RT_HANDLERS_MAX);
	size_t n = 0;
	sp_str row;
	while (text.len > 0) {
		if (!sp_str_cut(&text, ',', &row)) {
			row = text;
			text.len = 0;
		}
		SP_TRY(add(h, &n, row, err));
	}
	*ret = h;
	*ret_n = n;
	return SP_OK;
}

sp_code rt_handler_options(const rt_opts *o, sp_str name, sp_str *ret, sp_err *err)
{
	*ret = o->shim_options;
	if (name.len == 0)
		return SP_OK;
	for (size_t i = 0; i < o->n_handlers; i++) {
		if (!sp_str_eq(o->handlers[i].name, name))
			continue;
		*ret = o->handlers[i].shim_options;
		return SP_OK;
	}
	return sp_fail(err, SP_EINVAL, "no runtime for \"" SP_FMT "\" is configured", SP_ARG(name));
}

void rt_handlers_tell(const rt_opts *o, const sp_cri_runtime_handler_features *features, sp_arena *a,
		      sp_cri_status_response *ret)
{
	sp_cri_runtime_handler *h = sp_new(a, sp_cri_runtime_handler, o->n_handlers + 1);
	for (size_t i = 0; i <= o->n_handlers; i++) {
		h[i].name = i == 0 ? SP_STR("") : o->handlers[i - 1].name;
		h[i].features = sp_new(a, sp_cri_runtime_handler_features, 1);
		*h[i].features = *features;
	}
	ret->runtime_handlers.at = h;
	ret->runtime_handlers.n = o->n_handlers + 1;
}
