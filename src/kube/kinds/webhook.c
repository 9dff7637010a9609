/* SPDX-License-Identifier: Apache-2.0 */
/* MutatingWebhookConfiguration and ValidatingWebhookConfiguration of admissionregistration.k8s.io/v1. */
#include "kube/formats.h"
#include "kube/kinds/admission_rules.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/webhook_client.h"
#include "kube/meta.h"

static const char *const review_versions[] = {"v1", "v1beta1"};
static const char *const no_side_effects[] = {"None", "NoneOnDryRun"};
static const char *const side_effects[] = {"None", "NoneOnDryRun", "Some", "Unknown"};

/* What an old object that had it may keep. */
enum {
	SIDE_EFFECTS = 1u << 0,
	UNKNOWN_VERSIONS = 1u << 1,
	TWICE_NAMES = 1u << 2,
	BAD_SELECTORS = 1u << 3,
	SKIP_CONDITIONS = 1u << 4,
};

static void versions_validate(sp_violations *v, yyjson_mut_val *versions, unsigned options,
			      const sp_path *path)
{
	SP_AUTO_STRSET seen = {0};
	bool known = false;
	if (versions == NULL) {
		sp_v_required(v, path, "must specify one of v1, v1beta1");
		return;
	}
	SP_KV_EACH (item, i, versions) {
		sp_str s = sp_jmut_str(item);
		if (!sp_strset_add(&seen, s, v)) {
			sp_v_invalid(v, SP_AT_I(path, i), s, "duplicate version");
			continue;
		}
		sp_v_faults(v, SP_AT_I(path, i), s, sp_name_dns1035_label(s));
		known = known || SP_STR_IN(s, review_versions);
	}
	if (!known && (options & UNKNOWN_VERSIONS) == 0)
		sp_v_invalid(v, path, versions, "must include at least one of v1, v1beta1");
}

/* A name of three labels at least. */
static void full_name(sp_violations *v, sp_str name, const sp_path *path)
{
	size_t dots = 0;
	if (name.len == 0) {
		sp_v_required(v, path, "%s", "");
		return;
	}
	for (size_t i = 0; i < name.len; i++)
		dots += name.ptr[i] == '.' ? 1 : 0;
	sp_name_faults f = sp_name_dns1123_subdomain(name);
	if (f.n > 0) {
		SP_AUTO_BUF text;
		sp_buf_init(&text, 4096);
		for (size_t i = 0; i < f.n; i++) {
			(void)sp_buf_str(&text, i > 0 ? SP_STR(",") : SP_STR(""));
			(void)sp_buf_str(&text, f.items[i].prefix);
			(void)sp_buf_str(&text, f.items[i].text);
		}
		sp_str all = sp_buf_view(&text);
		sp_v_invalid(v, path, name, SP_FMT, SP_ARG(all));
	} else if (dots < 2) {
		sp_v_invalid(v, path, name,
			     "should be a domain with at least three segments separated by dots");
	}
}

static void client_validate(sp_violations *v, yyjson_mut_val *client, const sp_path *path)
{
	bool url = sp_kv_has(client, "url"), service = sp_kv_has(client, "service");
	if (url == service)
		sp_v_required(v, path, "exactly one of url or service is required");
	else if (url)
		sp_v_webhook_url(v, SP_AT(path, "url"), sp_kv_str(client, "url"));
	else
		sp_v_webhook_service(v, SP_AT(path, "service"), sp_kv_get(client, "service"), true);
}

static void effects_validate(sp_violations *v, yyjson_mut_val *hook, unsigned options, const sp_path *path)
{
	bool any = (options & SIDE_EFFECTS) != 0;
	if (!sp_kv_has(hook, "sideEffects"))
		sp_v_required(v, path, "must specify one of %s",
			      any ? "None, NoneOnDryRun, Some, Unknown" : "None, NoneOnDryRun");
	else if (!sp_str_in(sp_kv_str(hook, "sideEffects"), any ? side_effects : no_side_effects,
			    any ? SP_LEN(side_effects) : SP_LEN(no_side_effects)))
		sp_v_not_supported(v, path, sp_bad_named(sp_kv_str(hook, "sideEffects")),
				   any ? side_effects : no_side_effects,
				   any ? SP_LEN(side_effects) : SP_LEN(no_side_effects));
}

static void hook_validate(sp_violations *v, yyjson_mut_val *hook, unsigned options, const sp_path *path)
{
	static const char *const selectors[] = {"namespaceSelector", "objectSelector"};
	int64_t seconds = sp_kv_i64(hook, "timeoutSeconds", 1);
	full_name(v, sp_kv_str(hook, "name"), SP_AT(path, "name"));
	SP_KV_EACH (rule, i, sp_kv_list(hook, "rules")) {
		sp_admission_rule_validate(v, rule, SP_AT_I(SP_AT(path, "rules"), i));
	}
	SP_ADMISSION_CHOICE(v, hook, "failurePolicy", path, sp_failure_policies);
	SP_ADMISSION_CHOICE(v, hook, "matchPolicy", path, sp_match_policies);
	effects_validate(v, hook, options, SP_AT(path, "sideEffects"));
	if (seconds < 1 || seconds > 30)
		sp_v_invalid(v, SP_AT(path, "timeoutSeconds"), seconds,
			     "the timeout value must be between 1 and 30 seconds");
	for (size_t i = 0; i < SP_LEN(selectors); i++)
		sp_label_selector_validate(v, SP_AT_STR(path, sp_str_c(selectors[i])),
					   sp_kv_get(hook, selectors[i]),
					   (options & BAD_SELECTORS) != 0 ? SP_LABEL_SELECTOR_BAD_VALUES : 0);
	/* only mutating webhooks have it */
	SP_ADMISSION_CHOICE(v, hook, "reinvocationPolicy", path, sp_reinvocations);
	client_validate(v, sp_kv_get(hook, "clientConfig"), SP_AT(path, "clientConfig"));
	if ((options & SKIP_CONDITIONS) == 0)
		sp_admission_conditions_validate(v, sp_kv_list(hook, "matchConditions"), 0,
						 SP_AT(path, "matchConditions"));
}

static void hooks_validate(sp_kind_ctx *c, yyjson_mut_val *obj, unsigned options)
{
	SP_AUTO_STRSET names = {0};
	sp_violations *v = c->errors;
	sp_meta_validate(c, obj);
	SP_KV_EACH (hook, i, sp_kv_list(obj, "webhooks")) {
		const sp_path *at = SP_AT_I(SP_PATH("webhooks"), i);
		sp_str name = sp_kv_str(hook, "name");
		hook_validate(v, hook, options, at);
		versions_validate(v, sp_kv_list(hook, "admissionReviewVersions"), options,
				  SP_AT(at, "admissionReviewVersions"));
		if (name.len > 0 && !sp_strset_add(&names, name, v) && (options & TWICE_NAMES) == 0)
			sp_v_duplicate(v, SP_AT(at, "name"), name);
	}
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	hooks_validate(c, obj, 0);
}

static unsigned hook_options(sp_kind_ctx *c, yyjson_mut_val *hook)
{
	unsigned o = 0;
	sp_violations found;
	yyjson_mut_val *versions = sp_kv_list(hook, "admissionReviewVersions");
	bool known = versions == NULL;
	if (!SP_STR_IN(sp_kv_str(hook, "sideEffects"), no_side_effects))
		o |= SIDE_EFFECTS;
	SP_KV_EACH (version, i, versions) {
		known = known || SP_STR_IN(sp_jmut_str(version), review_versions);
	}
	sp_violations_init(&found, c->arena);
	sp_label_selector_validate(&found, NULL, sp_kv_get(hook, "namespaceSelector"), 0);
	sp_label_selector_validate(&found, NULL, sp_kv_get(hook, "objectSelector"), 0);
	return o | (known ? 0 : UNKNOWN_VERSIONS) | (found.n > 0 ? BAD_SELECTORS : 0);
}

/* True when no webhook's conditions changed: they are not looked at again then. */
static bool same_conditions(yyjson_mut_val *now, yyjson_mut_val *was)
{
	if (sp_kv_len(now) != sp_kv_len(was))
		return false;
	yyjson_mut_val *other = yyjson_mut_arr_get_first(was);
	SP_KV_EACH (hook, i, now) {
		if (!sp_kv_equal(sp_kv_get(hook, "matchConditions"), sp_kv_get(other, "matchConditions")))
			return false;
		other = other->next;
	}
	return true;
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	SP_AUTO_STRSET names = {0};
	yyjson_mut_val *was = sp_kv_list(old, "webhooks");
	unsigned options = same_conditions(sp_kv_list(obj, "webhooks"), was) ? SKIP_CONDITIONS : 0;
	SP_KV_EACH (hook, i, was) {
		options |= hook_options(c, hook);
		options |= sp_strset_add(&names, sp_kv_str(hook, "name"), c->errors) ? 0 : TWICE_NAMES;
	}
	hooks_validate(c, obj, options);
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KIND_NEED(c, sp_kv_set_i64(c->doc, sp_meta(obj), "generation", 1));
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (!sp_kv_equal_deep(sp_kv_get(obj, "webhooks"), sp_kv_get(old, "webhooks")))
		sp_meta_bump_generation(c, obj, old);
}

static yyjson_mut_val *webhooks_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_len(c, sp_kv_get(obj, "webhooks"));
}

static const sp_cell cells[] = {{SP_STR_INIT("Webhooks"), webhooks_cell}};

const sp_kind_hooks sp_hooks_webhook_configuration = {
	.prepare_create = prepare_create,
	.prepare_update = prepare_update,
	.validate = validate,
	.validate_update = validate_update,
	.cells = cells,
	.n_cells = SP_LEN(cells),
};
