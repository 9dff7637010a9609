/* SPDX-License-Identifier: Apache-2.0 */
/* FlowSchema and PriorityLevelConfiguration of flowcontrol.apiserver.k8s.io/v1. */
#include <math.h>

#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

#define PRECEDENCE_MAX 10000
#define QUEUES_MAX 10000000
#define HASH_BITS_MAX 60

/* Objects every cluster has, whose specs are fixed. */
static const struct {
	const char *name, *spec;
} fixed_schemas[] = {
	{"exempt",
	 "{\"priorityLevelConfiguration\":{\"name\":\"exempt\"},\"matchingPrecedence\":1,\"rules\":[{"
	 "\"subjects\":"
	 "[{\"kind\":\"Group\",\"group\":{\"name\":\"system:masters\"}}],\"resourceRules\":[{\"verbs\":[\"*"
	 "\"],"
	 "\"apiGroups\":[\"*\"],\"resources\":[\"*\"],\"clusterScope\":true,\"namespaces\":[\"*\"]}],"
	 "\"nonResourceRules\":[{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"*\"]}]}]}"},
	{"catch-all",
	 "{\"priorityLevelConfiguration\":{\"name\":\"catch-all\"},\"matchingPrecedence\":10000,"
	 "\"distinguisherMethod\":{\"type\":\"ByUser\"},\"rules\":[{\"subjects\":[{\"kind\":\"Group\","
	 "\"group\":"
	 "{\"name\":\"system:unauthenticated\"}},{\"kind\":\"Group\",\"group\":{\"name\":"
	 "\"system:authenticated\"}}],\"resourceRules\":[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],"
	 "\"resources\":"
	 "[\"*\"],\"clusterScope\":true,\"namespaces\":[\"*\"]}],\"nonResourceRules\":[{\"verbs\":[\"*\"],"
	 "\"nonResourceURLs\":[\"*\"]}]}]}"},
};
static const char fixed_catch_all_level[] = "{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":"
					    "5,\"limitResponse\":{\"type\":\"Reject\"},"
					    "\"lendablePercent\":0}}";

static bool equals_text(sp_kind_ctx *c, yyjson_mut_val *v, const char *text)
{
	yyjson_mut_val *fixed = NULL;
	sp_code code = sp_json_parse_mut(c->arena, sp_str_c(text), c->doc, &fixed, NULL);
	SP_KIND_NEED(c, code == SP_OK);
	return code == SP_OK && sp_kv_equal(v, fixed);
}

/* Types of conditions once each, and not empty. */
static void conditions_validate(sp_violations *v, yyjson_mut_val *status)
{
	SP_AUTO_STRSET seen = {0};
	SP_KV_EACH (cond, i, sp_kv_list(status, "conditions")) {
		const sp_path *at = SP_AT(SP_AT_I(SP_PATH("status.conditions"), i), "type");
		sp_str type = sp_kv_str(cond, "type");
		if (!sp_strset_add(&seen, type, v))
			sp_v_duplicate(v, at, sp_bad_named(type));
		if (type.len == 0)
			sp_v_required(v, at, "%s", "");
	}
}

static void status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	conditions_validate(c->errors, sp_kv_get(obj, "status"));
}

static const char *const metadata_and_spec[] = {"metadata", "spec", NULL};
static const sp_sub_hooks subs[] = {{.name = SP_STR_INIT("status"),
				     .validate_update = status_validate,
				     .reset_fields = metadata_and_spec}};

/* -- FlowSchema ----------------------------------------------------------------------------------------- */

static bool has_star(yyjson_mut_val *list)
{
	SP_KV_EACH (item, i, list) {
		if (sp_str_eq(sp_jmut_str(item), SP_STR("*")))
			return true;
	}
	return false;
}

static void verbs_validate(sp_violations *v, yyjson_mut_val *rule, const sp_path *path)
{
	static const char *const known[] = {"create", "delete", "deletecollection", "get",  "list",
					    "patch",  "proxy",  "update",           "watch"};
	yyjson_mut_val *verbs = sp_kv_list(rule, "verbs");
	bool unknown = false;
	if (verbs == NULL) {
		sp_v_required(v, path, "verbs must contain at least one value");
		return;
	}
	if (has_star(verbs)) {
		if (sp_kv_len(verbs) > 1)
			sp_v_invalid(v, path, verbs, "if '*' is present, must not specify other verbs");
		return;
	}
	SP_KV_EACH (verb, i, verbs) {
		unknown = unknown || !SP_STR_IN(sp_jmut_str(verb), known);
	}
	if (unknown)
		sp_v_not_supported(v, path, verbs, known, SP_LEN(known));
}

static void url_path(sp_violations *v, sp_str s, const sp_path *path)
{
	size_t stars = 0;
	for (size_t i = 0; i < s.len; i++)
		stars += s.ptr[i] == '*' ? 1 : 0;
	if (s.len == 0)
		sp_v_invalid(v, path, s, "must not be empty");
	else if (sp_str_eq(s, SP_STR("/")))
		return;
	else if (s.ptr[0] != '/')
		sp_v_invalid(v, path, s, "must start with slash");
	else if (sp_str_index(s, ' ') >= 0)
		sp_v_invalid(v, path, s, "must not contain white-space");
	else if (sp_str_find(s, SP_STR("//")) >= 0)
		sp_v_invalid(v, path, s, "must not contain double slash");
	else if (stars > 1 || (stars == 1 && !sp_str_ends(s, SP_STR("/*"))))
		sp_v_invalid(v, path, s, "wildcard can only do suffix matching");
}

static void non_resource_rule(sp_violations *v, yyjson_mut_val *rule, const sp_path *path)
{
	yyjson_mut_val *urls = sp_kv_list(rule, "nonResourceURLs");
	const sp_path *at = SP_AT(path, "nonResourceURLs");
	verbs_validate(v, rule, SP_AT(path, "verbs"));
	if (urls == NULL) {
		sp_v_required(v, at, "nonResourceURLs must contain at least one value");
	} else if (has_star(urls)) {
		if (sp_kv_len(urls) > 1)
			sp_v_invalid(v, at, urls,
				     "if '*' is present, must not specify other non-resource URLs");
	} else {
		SP_KV_EACH (url, i, urls) {
			url_path(v, sp_jmut_str(url), SP_AT_I(at, i));
		}
	}
}

/* A list that has something, and "*" only alone. */
static void star_or_items(sp_violations *v, yyjson_mut_val *list, const sp_path *path, const char *absent,
			  const char *others)
{
	if (list == NULL)
		sp_v_required(v, path, "%s", absent);
	else if (sp_kv_len(list) > 1 && has_star(list))
		sp_v_invalid(v, path, list, "if '*' is present, must not specify other %s", others);
}

static void resource_rule(sp_violations *v, yyjson_mut_val *rule, const sp_path *path)
{
	yyjson_mut_val *namespaces = sp_kv_list(rule, "namespaces");
	const sp_path *at = SP_AT(path, "namespaces");
	verbs_validate(v, rule, SP_AT(path, "verbs"));
	star_or_items(v, sp_kv_list(rule, "apiGroups"), SP_AT(path, "apiGroups"),
		      "resource rules must supply at least one api group", "api groups");
	star_or_items(v, sp_kv_list(rule, "resources"), SP_AT(path, "resources"),
		      "resource rules must supply at least one resource", "resources");
	if (namespaces == NULL && !sp_kv_bool(rule, "clusterScope")) {
		sp_v_required(
			v, at,
			"resource rules that are not cluster scoped must supply at least one namespace");
	} else if (has_star(namespaces)) {
		if (sp_kv_len(namespaces) > 1)
			sp_v_invalid(v, at, namespaces,
				     "if '*' is present, must not specify other namespaces");
	} else {
		SP_KV_EACH (item, i, namespaces) {
			sp_str ns = sp_jmut_str(item);
			sp_name_faults f = sp_name_dns1123_label(ns);
			for (size_t k = 0; k < f.n; k++)
				sp_v_invalid(
					v, SP_AT_I(at, i), ns,
					"each member of this list must be '*' or a DNS-1123 label; " SP_FMT
						SP_FMT,
					SP_ARG(f.items[k].prefix), SP_ARG(f.items[k].text));
		}
	}
}

static void account_validate(sp_violations *v, yyjson_mut_val *account, const sp_path *path)
{
	sp_str name = sp_kv_str(account, "name"), ns = sp_kv_str(account, "namespace");
	if (name.len == 0)
		sp_v_required(v, SP_AT(path, "name"), "%s", "");
	else if (!sp_str_eq(name, SP_STR("*")))
		sp_v_dns1123_subdomain(v, SP_AT(path, "name"), name);
	if (ns.len == 0)
		sp_v_required(v, SP_AT(path, "namespace"), "must specify namespace for service account");
	else
		sp_v_dns1123_label(v, SP_AT(path, "namespace"), ns);
}

static void subject_validate(sp_violations *v, yyjson_mut_val *subject, const sp_path *path)
{
	static const char *const kinds[] = {"Group", "ServiceAccount", "User"};
	static const struct {
		const char *kind, *member;
	} members[] = {{"ServiceAccount", "serviceAccount"}, {"User", "user"}, {"Group", "group"}};
	sp_str kind = sp_kv_str(subject, "kind");
	if (!SP_STR_IN(kind, kinds)) {
		sp_v_not_supported(v, SP_AT(path, "kind"), sp_bad_named(kind), kinds, SP_LEN(kinds));
		return;
	}
	for (size_t i = 0; i < SP_LEN(members); i++) {
		const sp_path *at = SP_AT_STR(path, sp_str_c(members[i].member));
		yyjson_mut_val *part = sp_kv_get(subject, members[i].member);
		bool own = sp_str_eq(kind, sp_str_c(members[i].kind));
		if (own && part == NULL)
			sp_v_required(v, at, "%s is required when subject kind is '%s'", members[i].member,
				      members[i].kind);
		else if (own && i == 0)
			account_validate(v, part, at);
		else if (own && sp_kv_str(part, "name").len == 0)
			sp_v_required(v, SP_AT(at, "name"), "%s", "");
		else if (!own && part != NULL)
			sp_v_forbidden(v, at, "%s is forbidden when subject kind is not '%s'",
				       members[i].member, members[i].kind);
	}
}

static void rule_validate(sp_violations *v, yyjson_mut_val *rule, const sp_path *path)
{
	yyjson_mut_val *subjects = sp_kv_list(rule, "subjects");
	yyjson_mut_val *resources = sp_kv_list(rule, "resourceRules"),
		       *urls = sp_kv_list(rule, "nonResourceRules");
	if (subjects == NULL)
		sp_v_required(v, SP_AT(path, "subjects"), "subjects must contain at least one value");
	SP_KV_EACH (subject, i, subjects) {
		subject_validate(v, subject, SP_AT_I(SP_AT(path, "subjects"), i));
	}
	if (resources == NULL && urls == NULL)
		sp_v_required(v, path,
			      "at least one of resourceRules and nonResourceRules has to be non-empty");
	SP_KV_EACH (resource, i, resources) {
		resource_rule(v, resource, SP_AT_I(SP_AT(path, "resourceRules"), i));
	}
	SP_KV_EACH (url, i, urls) {
		non_resource_rule(v, url, SP_AT_I(SP_AT(path, "nonResourceRules"), i));
	}
}

static void precedence_validate(sp_violations *v, int64_t n, sp_str name, const sp_path *path)
{
	if (n <= 0)
		sp_v_invalid(v, path, n, "must be a positive value");
	if (n > PRECEDENCE_MAX)
		sp_v_invalid(v, path, n, "must not be greater than %d", PRECEDENCE_MAX);
	if (n == 1 && !sp_str_eq(name, SP_STR("exempt")))
		sp_v_invalid(v, path, n, "only the schema named 'exempt' may have matchingPrecedence 1");
}

static const sp_go_field method_fields[] = {{"Type", "type", SP_GO_STR, NULL}};
static const sp_go_type go_method = {method_fields, SP_LEN(method_fields)};

static void schema_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const methods[] = {"ByNamespace", "ByUser"};
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *method = sp_kv_get(spec, "distinguisherMethod");
	const sp_path *path = SP_PATH("spec"), *at_level = SP_AT(path, "priorityLevelConfiguration.name");
	sp_str level = sp_kv_str(sp_kv_get(spec, "priorityLevelConfiguration"), "name");
	sp_str name = sp_meta_name(obj);
	sp_meta_validate(c, obj);
	precedence_validate(v, sp_kv_i64(spec, "matchingPrecedence", 0), name,
			    SP_AT(path, "matchingPrecedence"));
	if (method != NULL && !SP_STR_IN(sp_kv_str(method, "type"), methods))
		sp_v_not_supported(v, SP_AT(path, "distinguisherMethod.type"),
				   sp_bad_text(sp_go_struct(c->arena, &go_method, method)), methods,
				   SP_LEN(methods));
	if (level.len == 0)
		sp_v_required(v, at_level, "must reference a priority level");
	else
		sp_v_dns1123_subdomain(v, at_level, level);
	SP_KV_EACH (rule, i, sp_kv_list(spec, "rules")) {
		rule_validate(v, rule, SP_AT_I(SP_AT(path, "rules"), i));
	}
	for (size_t i = 0; i < SP_LEN(fixed_schemas); i++) {
		if (sp_str_eq(name, sp_str_c(fixed_schemas[i].name)) &&
		    !equals_text(c, spec, fixed_schemas[i].spec))
			sp_v_invalid(v, path, spec, "spec of '%s' must equal the fixed value",
				     fixed_schemas[i].name);
	}
	conditions_validate(v, sp_kv_get(obj, "status"));
}

static void schema_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	schema_validate(c, obj);
}

static yyjson_mut_val *method_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_str_or(c, sp_kv_path(obj, "spec", "distinguisherMethod", NULL), "type", "<none>");
}

static yyjson_mut_val *dangling_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KV_EACH (cond, i, sp_kv_list(sp_kv_get(obj, "status"), "conditions")) {
		if (sp_kv_is(cond, "type", "Dangling"))
			return sp_cell_str(c, sp_kv_str(cond, "status"));
	}
	return sp_cell_str(c, SP_STR("?"));
}

static const sp_cell schema_cells[] = {{SP_STR_INIT("DistinguisherMethod"), method_cell},
				       {SP_STR_INIT("MissingPL"), dangling_cell}};

const sp_kind_hooks sp_hooks_flow_schema = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION | SP_KIND_HAS_STATUS |
		 SP_KIND_STATUS_ONLY_STATUS,
	.validate = schema_validate,
	.validate_update = schema_validate_update,
	.reset_fields = sp_reset_status,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.cells = schema_cells,
	.n_cells = SP_LEN(schema_cells),
};

/* -- PriorityLevelConfiguration ------------------------------------------------------------------------- */

static void positive(sp_violations *v, int64_t n, const sp_path *path)
{
	if (n <= 0)
		sp_v_invalid(v, path, n, "must be positive");
}

static void queuing_validate(sp_violations *v, yyjson_mut_val *queuing, const sp_path *path)
{
	int64_t queues = sp_kv_i64(queuing, "queues", 0), hand = sp_kv_i64(queuing, "handSize", 0);
	const sp_path *at_hand = SP_AT(path, "handSize");
	positive(v, sp_kv_i64(queuing, "queueLengthLimit", 0), SP_AT(path, "queueLengthLimit"));
	positive(v, queues, SP_AT(path, "queues"));
	if (queues > QUEUES_MAX)
		sp_v_invalid(v, SP_AT(path, "queues"), queues, "must not be greater than %d", QUEUES_MAX);
	positive(v, hand, at_hand);
	if (hand <= 0)
		return;
	if (hand > queues)
		sp_v_invalid(v, at_hand, hand, "should not be greater than queues (%lld)", (long long)queues);
	else if (ceil(log2((double)queues) * (double)hand) > HASH_BITS_MAX)
		sp_v_invalid(v, at_hand, hand,
			     "required entropy bits of deckSize %lld and handSize %lld should not be greater "
			     "than %d",
			     (long long)queues, (long long)hand, HASH_BITS_MAX);
}

static void response_validate(sp_violations *v, yyjson_mut_val *response, const sp_path *path)
{
	static const char *const types[] = {"Queue", "Reject"};
	sp_str type = sp_kv_str(response, "type");
	yyjson_mut_val *queuing = sp_kv_get(response, "queuing");
	const sp_path *at = SP_AT(path, "queuing");
	if (!SP_STR_IN(type, types))
		sp_v_not_supported(v, SP_AT(path, "type"), sp_bad_named(type), types, SP_LEN(types));
	else if (sp_str_eq(type, SP_STR("Reject")) && queuing != NULL)
		sp_v_forbidden(v, at, "must be nil if limited.limitResponse.type is not Limited");
	else if (sp_str_eq(type, SP_STR("Queue")) && queuing == NULL)
		sp_v_required(v, at, "must not be empty if limited.limitResponse.type is Limited");
	else if (sp_str_eq(type, SP_STR("Queue")))
		queuing_validate(v, queuing, at);
}

static void shares_validate(sp_violations *v, yyjson_mut_val *level, const sp_path *path)
{
	int64_t shares = sp_kv_i64(level, "nominalConcurrencyShares", 0);
	int64_t lendable = sp_kv_i64(level, "lendablePercent", 0);
	if (shares < 0)
		sp_v_invalid(v, SP_AT(path, "nominalConcurrencyShares"), shares,
			     "must be a non-negative integer");
	if (lendable < 0 || lendable > 100)
		sp_v_invalid(v, SP_AT(path, "lendablePercent"), lendable,
			     "must be between 0 and 100, inclusive");
}

static void limited_validate(sp_violations *v, yyjson_mut_val *limited, const sp_path *path)
{
	int64_t borrowing = sp_kv_i64(limited, "borrowingLimitPercent", 0);
	shares_validate(v, limited, path);
	response_validate(v, sp_kv_get(limited, "limitResponse"), SP_AT(path, "limitResponse"));
	if (borrowing < 0)
		sp_v_invalid(v, SP_AT(path, "borrowingLimitPercent"), borrowing,
			     "if specified, must be a non-negative integer");
}

static void level_spec(sp_violations *v, yyjson_mut_val *spec, sp_str name)
{
	static const char *const types[] = {"Exempt", "Limited"};
	const sp_path *path = SP_PATH("spec");
	sp_str type = sp_kv_str(spec, "type");
	yyjson_mut_val *limited = sp_kv_get(spec, "limited"), *exempt = sp_kv_get(spec, "exempt");
	bool is_exempt = sp_str_eq(type, SP_STR("Exempt"));
	if (sp_str_eq(name, SP_STR("exempt")) != is_exempt)
		sp_v_invalid(v, SP_AT(path, "type"), sp_bad_named(type),
			     "must be 'Exempt' if and only if `name` is 'exempt'");
	if (!SP_STR_IN(type, types)) {
		sp_v_not_supported(v, SP_AT(path, "type"), sp_bad_named(type), types, SP_LEN(types));
		return;
	}
	if (is_exempt && limited != NULL)
		sp_v_forbidden(v, SP_AT(path, "limited"), "must be nil if the type is not Limited");
	if (is_exempt) {
		shares_validate(v, exempt, SP_AT(path, "exempt"));
		return;
	}
	if (exempt != NULL)
		sp_v_forbidden(v, SP_AT(path, "exempt"), "must be nil if the type is Limited");
	if (limited == NULL)
		sp_v_required(v, SP_AT(path, "limited"), "must not be empty when type is Limited");
	else
		limited_validate(v, limited, SP_AT(path, "limited"));
}

static void level_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char zero_shares[] = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	sp_str name = sp_meta_name(obj);
	sp_meta_validate(c, obj);
	if (sp_kv_has(sp_kv_get(sp_meta(obj), "annotations"), zero_shares))
		sp_v_forbidden(v, SP_PATH("metadata.annotations"), "annotation '%s' is forbidden",
			       zero_shares);
	level_spec(v, spec, name);
	if (sp_str_eq(name, SP_STR("catch-all")) && !equals_text(c, spec, fixed_catch_all_level))
		sp_v_invalid(v, SP_PATH("spec"), spec, "spec of 'catch-all' must equal the fixed value");
	if (sp_str_eq(name, SP_STR("exempt")) &&
	    (!sp_kv_is(spec, "type", "Exempt") || sp_kv_has(spec, "limited")))
		sp_v_invalid(v, SP_PATH("spec"), spec,
			     "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value");
	conditions_validate(v, sp_kv_get(obj, "status"));
}

static void level_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	level_validate(c, obj);
}

static yyjson_mut_val *figure_cell(sp_kind_ctx *c, yyjson_mut_val *object, const char *name)
{
	return object != NULL ? sp_cell_i64(c, sp_kv_i64(object, name, 0)) : sp_cell_str(c, SP_STR("<none>"));
}

static yyjson_mut_val *shares_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return figure_cell(c, sp_kv_path(obj, "spec", "limited", NULL), "nominalConcurrencyShares");
}

static yyjson_mut_val *queuing_of(yyjson_mut_val *obj)
{
	return sp_kv_path(obj, "spec", "limited", "limitResponse", "queuing", NULL);
}

static yyjson_mut_val *queues_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return figure_cell(c, queuing_of(obj), "queues");
}

static yyjson_mut_val *hand_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return figure_cell(c, queuing_of(obj), "handSize");
}

static yyjson_mut_val *length_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return figure_cell(c, queuing_of(obj), "queueLengthLimit");
}

static const sp_cell level_cells[] = {{SP_STR_INIT("NominalConcurrencyShares"), shares_cell},
				      {SP_STR_INIT("Queues"), queues_cell},
				      {SP_STR_INIT("HandSize"), hand_cell},
				      {SP_STR_INIT("QueueLengthLimit"), length_cell}};

const sp_kind_hooks sp_hooks_priority_level = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION | SP_KIND_HAS_STATUS |
		 SP_KIND_STATUS_ONLY_STATUS,
	.validate = level_validate,
	.validate_update = level_validate_update,
	.reset_fields = sp_reset_status,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.cells = level_cells,
	.n_cells = SP_LEN(level_cells),
};
