/* SPDX-License-Identifier: Apache-2.0 */
/* Lease of coordination.k8s.io/v1. */
#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/hooks.h"
#include "kube/meta.h"

static yyjson_mut_val *spec_of(yyjson_mut_val *obj)
{
	return sp_kv_get(obj, "spec");
}

/* Coordinated elections are behind a feature gate that is off. */
static void drop_disabled(yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const members[] = {"strategy", "preferredHolder"};
	for (size_t i = 0; i < SP_LEN(members); i++) {
		if (!sp_kv_has(spec_of(old), members[i]))
			sp_kv_drop(spec_of(obj), members[i]);
	}
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	(void)c;
	drop_disabled(obj, NULL);
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)c;
	drop_disabled(obj, old);
}

static void strategy_validate(sp_violations *v, sp_str strategy, const sp_path *path)
{
	static const char *const strategies[] = {"OldestEmulationVersion"};
	if (sp_str_index(strategy, '/') >= 0)
		sp_v_qualified_name(v, path, strategy);
	else if (!SP_STR_IN(strategy, strategies))
		sp_v_not_supported(v, path, sp_bad_named(strategy), strategies, SP_LEN(strategies));
}

static void spec_validate(sp_violations *v, yyjson_mut_val *spec)
{
	const sp_path *path = SP_PATH("spec");
	int64_t seconds = sp_kv_i64(spec, "leaseDurationSeconds", 1);
	int64_t transitions = sp_kv_i64(spec, "leaseTransitions", 0);
	sp_str strategy = sp_kv_str(spec, "strategy");
	if (seconds <= 0)
		sp_v_invalid(v, SP_AT(path, "leaseDurationSeconds"), seconds, "must be greater than 0");
	if (transitions < 0)
		sp_v_invalid(v, SP_AT(path, "leaseTransitions"), transitions,
			     "must be greater than or equal to 0");
	if (sp_kv_has(spec, "strategy"))
		strategy_validate(v, strategy, SP_AT(path, "strategy.strategy"));
	if (sp_kv_str(spec, "preferredHolder").len > 0 && strategy.len == 0)
		sp_v_forbidden(v, SP_AT(path, "preferredHolder"),
			       "may only be specified if `strategy` is defined");
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	spec_validate(c->errors, spec_of(obj));
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	spec_validate(c->errors, spec_of(obj));
}

const sp_kind_hooks sp_hooks_lease = {
	.flags = SP_KIND_CREATE_ON_UPDATE,
	.prepare_create = prepare_create,
	.prepare_update = prepare_update,
	.validate = validate,
	.validate_update = validate_update,
};
