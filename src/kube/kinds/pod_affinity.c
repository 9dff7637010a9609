/* SPDX-License-Identifier: Apache-2.0 */
/* Where a pod may run: node selectors, affinity, tolerations, spread. */
#include "kube/kinds/pod_int.h"
#include "kube/meta.h"

#define REQUIRED_TERMS "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED_TERMS "preferredDuringSchedulingIgnoredDuringExecution"

void sp_node_selector_requirement_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *req,
					   bool bad_values)
{
	static const char *const sets[] = {"In", "NotIn"}, *const existence[] = {"Exists", "DoesNotExist"};
	static const char *const orders[] = {"Gt", "Lt"};
	sp_str op = sp_kv_str(req, "operator");
	yyjson_mut_val *values = sp_kv_list(req, "values");
	const sp_path *at = SP_AT(path, "values");
	if (SP_STR_IN(op, sets)) {
		if (values == NULL)
			sp_v_required(v, at, "must be specified when `operator` is 'In' or 'NotIn'");
	} else if (SP_STR_IN(op, existence)) {
		if (values != NULL)
			sp_v_forbidden(v, at,
				       "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
	} else if (SP_STR_IN(op, orders)) {
		if (sp_kv_len(values) != 1)
			sp_v_required(v, at,
				      "must be specified single value when `operator` is 'Lt' or 'Gt'");
	} else {
		sp_v_invalid(v, SP_AT(path, "operator"), sp_bad_named(op), "not a valid selector operator");
	}
	sp_label_key_validate(v, SP_AT(path, "key"), sp_kv_str(req, "key"));
	if (bad_values)
		return;
	SP_KV_EACH (val, i, values)
		sp_v_faults(v, SP_AT_I(at, i), sp_jmut_str(val), sp_name_label_value(sp_jmut_str(val)));
}

static void field_requirement(sp_violations *v, const sp_path *path, yyjson_mut_val *req)
{
	static const char *const sets[] = {"In", "NotIn"};
	sp_str op = sp_kv_str(req, "operator"), key = sp_kv_str(req, "key");
	yyjson_mut_val *values = sp_kv_list(req, "values");
	if (!SP_STR_IN(op, sets))
		sp_v_invalid(v, SP_AT(path, "operator"), sp_bad_named(op), "not a valid selector operator");
	else if (sp_kv_len(values) != 1)
		sp_v_required(
			v, SP_AT(path, "values"),
			"must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
	if (!sp_str_eq(key, SP_STR("metadata.name"))) {
		sp_v_invalid(v, SP_AT(path, "key"), key, "not a valid field selector key");
		return;
	}
	SP_KV_EACH (val, i, values)
		sp_v_dns1123_subdomain(v, SP_AT_I(SP_AT(path, "values"), i), sp_jmut_str(val));
}

static void term_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *term, bool bad_values)
{
	SP_KV_EACH (req, i, sp_kv_list(term, "matchExpressions"))
		sp_node_selector_requirement_validate(v, SP_AT_I(SP_AT(path, "matchExpressions"), i), req,
						      bad_values);
	SP_KV_EACH (req, i, sp_kv_list(term, "matchFields"))
		field_requirement(v, SP_AT_I(SP_AT(path, "matchFields"), i), req);
}

void sp_node_selector_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *selector,
			       bool bad_values)
{
	yyjson_mut_val *terms = sp_kv_list(selector, "nodeSelectorTerms");
	const sp_path *at = SP_AT(path, "nodeSelectorTerms");
	if (selector != NULL && terms == NULL)
		sp_v_required(v, at, "must have at least one node selector term");
	SP_KV_EACH (term, i, terms)
		term_validate(v, SP_AT_I(at, i), term, bad_values);
}

static void weight_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *term)
{
	int64_t weight = sp_kv_i64(term, "weight", 0);
	if (weight <= 0 || weight > 100)
		sp_v_invalid(v, SP_AT(path, "weight"), weight, "must be in the range 1-100");
}

static void node_affinity(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *affinity)
{
	bool bad_values = (w->options & SP_POD_BAD_NODE_AFFINITY_VALUES) != 0;
	sp_node_selector_validate(w->v, SP_AT(path, REQUIRED_TERMS), sp_kv_get(affinity, REQUIRED_TERMS),
				  bad_values);
	SP_KV_EACH (term, i, sp_kv_list(affinity, PREFERRED_TERMS)) {
		const sp_path *at = SP_AT_I(SP_AT(path, PREFERRED_TERMS), i);
		weight_validate(w->v, at, term);
		/* values of preferences are never checked */
		term_validate(w->v, SP_AT(at, "preference"), sp_kv_get(term, "preference"), true);
	}
}

static void label_keys(sp_violations *v, const sp_path *path, yyjson_mut_val *keys, yyjson_mut_val *selector)
{
	if (keys != NULL && selector == NULL) {
		sp_v_forbidden(v, path, "must not be specified when labelSelector is not set");
		return;
	}
	SP_KV_EACH (key, i, keys)
		sp_label_key_validate(v, SP_AT_I(path, i), sp_jmut_str(key));
}

/* matchLabelKeys have become expressions of the selector before; one that stands there twice was there
 * already. */
static void merged_label_keys(sp_violations *v, const sp_path *path, yyjson_mut_val *keys,
			      yyjson_mut_val *mismatch, yyjson_mut_val *selector)
{
	SP_AUTO_STRSET seen = {.map = {0}}, other = {.map = {0}};
	sp_map positions; /* key to position + 1 */
	sp_map_init(&positions);
	SP_KV_EACH (key, i, keys) {
		if (sp_map_put(&positions, sp_jmut_str(key), (void *)(uintptr_t)(i + 1), NULL) != SP_OK)
			v->code = SP_ENOMEM;
	}
	label_keys(v, SP_AT(path, "matchLabelKeys"), keys, selector);
	label_keys(v, SP_AT(path, "mismatchLabelKeys"), mismatch, selector);
	SP_KV_EACH_MEMBER (key, val, i, sp_kv_map(selector, "matchLabels")) {
		(void)val;
		(void)sp_strset_add(&seen, sp_jmut_str(key), v);
	}
	SP_KV_EACH (expr, i, sp_kv_list(selector, "matchExpressions")) {
		sp_str key = sp_kv_str(expr, "key");
		uintptr_t at = (uintptr_t)sp_map_get(&positions, key);
		if (!sp_strset_add(&seen, key, v) && at > 0)
			sp_v_invalid(v, SP_AT_I(path, at - 1), key,
				     "exists in both matchLabelKeys and labelSelector");
	}
	sp_map_done(&positions);
	SP_KV_EACH (key, i, mismatch)
		(void)sp_strset_add(&other, sp_jmut_str(key), v);
	SP_KV_EACH (key, i, keys) {
		if (sp_strset_has(&other, sp_jmut_str(key)))
			sp_v_invalid(v, SP_AT_I(SP_AT(path, "matchLabelKeys"), i), sp_jmut_str(key),
				     "exists in both matchLabelKeys and mismatchLabelKeys");
	}
}

static void affinity_term(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *term)
{
	unsigned options = (w->options & SP_POD_BAD_SELECTOR_VALUES) != 0 ? SP_LABEL_SELECTOR_BAD_VALUES : 0;
	sp_str topology = sp_kv_str(term, "topologyKey");
	sp_label_selector_validate(w->v, SP_AT(path, "labelSelector"), sp_kv_get(term, "labelSelector"),
				   options);
	sp_label_selector_validate(w->v, SP_AT(path, "namespaceSelector"),
				   sp_kv_get(term, "namespaceSelector"), options);
	SP_KV_EACH (ns, i, sp_kv_list(term, "namespaces"))
		sp_v_dns1123_label(w->v, SP_AT(path, "namespace"), sp_jmut_str(ns));
	merged_label_keys(w->v, path, sp_kv_list(term, "matchLabelKeys"),
			  sp_kv_list(term, "mismatchLabelKeys"), sp_kv_get(term, "labelSelector"));
	if (topology.len == 0)
		sp_v_required(w->v, SP_AT(path, "topologyKey"), "can not be empty");
	sp_label_key_validate(w->v, SP_AT(path, "topologyKey"), topology);
}

static void pod_affinity(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *affinity)
{
	SP_KV_EACH (term, i, sp_kv_list(affinity, REQUIRED_TERMS))
		affinity_term(w, SP_AT_I(SP_AT(path, REQUIRED_TERMS), i), term);
	SP_KV_EACH (term, i, sp_kv_list(affinity, PREFERRED_TERMS)) {
		const sp_path *at = SP_AT_I(SP_AT(path, PREFERRED_TERMS), i);
		weight_validate(w->v, at, term);
		affinity_term(w, SP_AT(at, "podAffinityTerm"), sp_kv_get(term, "podAffinityTerm"));
	}
}

void sp_pod_affinity_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *affinity)
{
	node_affinity(w, SP_AT(path, "nodeAffinity"), sp_kv_get(affinity, "nodeAffinity"));
	pod_affinity(w, SP_AT(path, "podAffinity"), sp_kv_get(affinity, "podAffinity"));
	pod_affinity(w, SP_AT(path, "podAntiAffinity"), sp_kv_get(affinity, "podAntiAffinity"));
}

void sp_taint_effect_validate(sp_violations *v, const sp_path *path, sp_str effect, bool allow_empty)
{
	static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute"};
	if (allow_empty || effect.len > 0)
		SP_V_ENUM_OPT(v, path, effect, effects);
	else
		sp_v_required(v, path, "%s", "");
}

static void toleration_value(sp_violations *v, const sp_path *path, sp_str value)
{
	sp_name_faults faults = sp_name_label_value(value);
	SP_AUTO_BUF text;
	sp_buf_init(&text, 4096);
	for (size_t i = 0; i < faults.n; i++) {
		(void)sp_buf_str(&text, i > 0 ? SP_STR(";") : SP_STR(""));
		(void)sp_buf_str(&text, faults.items[i].text);
	}
	sp_str all = sp_buf_view(&text);
	if (faults.n > 0)
		sp_v_invalid(v, path, value, SP_FMT, SP_ARG(all));
}

void sp_pod_tolerations_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *tolerations)
{
	static const char *const plain[] = {"Equal", "Exists"}, *const orders[] = {"Equal", "Exists", "Lt",
										   "Gt"};
	SP_KV_EACH (toleration, i, tolerations) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str key = sp_kv_str(toleration, "key"), op = sp_kv_str(toleration, "operator");
		sp_str value = sp_kv_str(toleration, "value"), effect = sp_kv_str(toleration, "effect");
		bool exists = sp_str_eq(op, SP_STR("Exists"));
		if (key.len > 0)
			sp_label_key_validate(v, SP_AT(at, "key"), key);
		else if (!exists)
			sp_v_invalid(v, SP_AT(at, "operator"), sp_bad_named(op),
				     "operator must be Exists when `key` is empty, which means \"match all "
				     "values and "
				     "all keys\"");
		if (sp_kv_has(toleration, "tolerationSeconds") && !sp_str_eq(effect, SP_STR("NoExecute")))
			sp_v_invalid(v, SP_AT(at, "effect"), sp_bad_named(effect),
				     "effect must be 'NoExecute' when `tolerationSeconds` is set");
		if (op.len == 0 || sp_str_eq(op, SP_STR("Equal")))
			toleration_value(v, SP_AT(at, "operator"), value);
		else if (exists && value.len > 0)
			sp_v_invalid(v, SP_AT(at, "operator"), value,
				     "value must be empty when `operator` is 'Exists'");
		else if (!exists && SP_STR_IN(op, orders)) /* behind a gate that is off */
			sp_v_not_supported(v, SP_AT(at, "operator"), sp_bad_named(op), orders,
					   SP_LEN(orders));
		else if (!exists)
			sp_v_not_supported(v, SP_AT(at, "operator"), sp_bad_named(op), plain, SP_LEN(plain));
		sp_taint_effect_validate(v, SP_AT(at, "effect"), effect, true);
	}
}

/* Before keys were merged into the selector. */
static void legacy_label_keys(sp_violations *v, const sp_path *path, yyjson_mut_val *keys,
			      yyjson_mut_val *selector)
{
	SP_AUTO_STRSET known = {.map = {0}};
	if (keys == NULL)
		return;
	if (selector == NULL)
		sp_v_forbidden(v, path, "must not be specified when labelSelector is not set");
	SP_KV_EACH_MEMBER (key, val, i, sp_kv_map(selector, "matchLabels")) {
		(void)val;
		(void)sp_strset_add(&known, sp_jmut_str(key), v);
	}
	SP_KV_EACH (expr, i, sp_kv_list(selector, "matchExpressions"))
		(void)sp_strset_add(&known, sp_kv_str(expr, "key"), v);
	SP_KV_EACH (key, i, keys) {
		sp_label_key_validate(v, SP_AT_I(path, i), sp_jmut_str(key));
		if (sp_strset_has(&known, sp_jmut_str(key)))
			sp_v_invalid(v, SP_AT_I(path, i), sp_jmut_str(key),
				     "exists in both matchLabelKeys and labelSelector");
	}
}

static void min_domains(sp_violations *v, const sp_path *path, yyjson_mut_val *constraint, sp_str action)
{
	int64_t n = sp_kv_i64(constraint, "minDomains", 0);
	if (!sp_kv_has(constraint, "minDomains"))
		return;
	sp_v_positive(v, path, n);
	if (!sp_str_eq(action, SP_STR("DoNotSchedule")))
		sp_v_invalid(v, path, n,
			     "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not " SP_FMT,
			     SP_ARG(action));
}

/* "{topology, action}" of each constraint; one that comes again later is refused where it first stands. */
static void repeats_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *constraints)
{
	sp_map last;
	sp_map_init(&last);
	for (int pass = 0; pass < 2; pass++) {
		SP_KV_EACH (constraint, i, constraints) {
			sp_str topology = sp_kv_str(constraint, "topologyKey");
			sp_str action = sp_kv_str(constraint, "whenUnsatisfiable");
			sp_str key = sp_arena_printf(w->arena, "{" SP_FMT ", " SP_FMT "}", SP_ARG(topology),
						     SP_ARG(action));
			if (pass == 0 && sp_map_put(&last, key, constraint, NULL) != SP_OK)
				w->v->code = SP_ENOMEM;
			if (pass == 1 && sp_map_get(&last, key) != constraint)
				sp_v_duplicate(w->v,
					       SP_AT(SP_AT_I(path, i), "{topologyKey, whenUnsatisfiable}"),
					       key);
		}
	}
	sp_map_done(&last);
}

void sp_pod_match_keys_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *constraints)
{
	SP_KV_EACH (constraint, i, constraints)
		merged_label_keys(w->v, SP_AT_I(path, i), sp_kv_list(constraint, "matchLabelKeys"), NULL,
				  sp_kv_get(constraint, "labelSelector"));
}

void sp_pod_spread_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *constraints)
{
	static const char *const actions[] = {"DoNotSchedule", "ScheduleAnyway"};
	static const char *const policies[] = {"Honor", "Ignore"};
	repeats_validate(w, path, constraints);
	SP_KV_EACH (constraint, i, constraints) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str action = sp_kv_str(constraint, "whenUnsatisfiable");
		yyjson_mut_val *selector = sp_kv_get(constraint, "labelSelector");
		yyjson_mut_val *keys = sp_kv_list(constraint, "matchLabelKeys");
		sp_v_positive(w->v, SP_AT(at, "maxSkew"), sp_kv_i64(constraint, "maxSkew", 0));
		if (sp_kv_str(constraint, "topologyKey").len == 0)
			sp_v_required(w->v, SP_AT(at, "topologyKey"), "can not be empty");
		if (!SP_STR_IN(action, actions))
			sp_v_not_supported(w->v, SP_AT(at, "whenUnsatisfiable"), sp_bad_named(action),
					   actions, SP_LEN(actions));
		min_domains(w->v, SP_AT(at, "minDomains"), constraint, action);
		SP_V_ENUM_OPT(w->v, SP_AT(at, "nodeAffinityPolicy"),
			      sp_kv_str(constraint, "nodeAffinityPolicy"), policies);
		SP_V_ENUM_OPT(w->v, SP_AT(at, "nodeTaintsPolicy"), sp_kv_str(constraint, "nodeTaintsPolicy"),
			      policies);
		if ((w->options & SP_POD_BAD_MATCH_LABEL_KEYS) != 0)
			legacy_label_keys(w->v, SP_AT(at, "matchLabelKeys"), keys, selector);
		else
			merged_label_keys(w->v, at, keys, NULL, selector);
		if ((w->options & SP_POD_BAD_SPREAD_SELECTOR) == 0)
			sp_label_selector_validate(w->v, SP_AT(at, "labelSelector"), selector, 0);
	}
}
