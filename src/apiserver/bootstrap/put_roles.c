/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of roles and bindings as objects, and what upstream's reconciliation does to those that exist.
 * U: component-helpers auth/rbac/reconciliation. */
#include "apiserver/bootstrap/run.h"
#include "apiserver/bootstrap/tables.h"
#include "kube/meta.h"

#define GROUP "rbac.authorization.k8s.io"
#define AUTOUPDATE "rbac.authorization.kubernetes.io/autoupdate"
#define AGGREGATE_TO "rbac.authorization.k8s.io/aggregate-to-"
#define TEXT_BYTES_MAX ((size_t)64 << 10)

/* ---- the tables as JSON ---- */

/* "get,list" as a member; "core" is the empty group. */
static void write_words(sp_jout *j, sp_str key, sp_str words)
{
	sp_str word;
	sp_jout_member_open(j, key, '[');
	while (sp_str_next(&words, ',', &word)) {
		sp_jout_str(j, sp_str_eq(word, SP_STR("core")) ? SP_STR("") : word);
	}
	sp_jout_close(j, ']');
}

static void write_rule(sp_jout *j, sp_str line)
{
	sp_str parts[4];
	size_t n = 0;
	while (n < SP_LEN(parts) - 1 && sp_str_cut(&line, ' ', &parts[n]))
		n++;
	parts[n++] = line;
	sp_jout_open(j, '{');
	write_words(j, SP_STR("verbs"), parts[0]);
	if (n == 2) {
		write_words(j, SP_STR("nonResourceURLs"), parts[1]);
	} else {
		write_words(j, SP_STR("apiGroups"), parts[1]);
		write_words(j, SP_STR("resources"), parts[2]);
	}
	if (n == 4)
		write_words(j, SP_STR("resourceNames"), parts[3]);
	sp_jout_close(j, '}');
}

static void write_meta(sp_jout *j, const char *aggregate_to)
{
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_raw(j, SP_STR("annotations"), SP_STR("{\"" AUTOUPDATE "\":\"true\"}"));
	sp_jout_member_open(j, SP_STR("labels"), '{');
	sp_jout_member_str(j, SP_STR("kubernetes.io/bootstrapping"), SP_STR("rbac-defaults"));
	if (aggregate_to != NULL) {
		char key[128];
		int n = snprintf(key, sizeof key, AGGREGATE_TO "%s", aggregate_to);
		sp_jout_member_str(j, (sp_str){key, (size_t)n}, SP_STR("true"));
	}
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

static void write_rules(sp_jout *j, const boot_role *r)
{
	sp_str rules = sp_str_c(r->rules), line;
	while (sp_str_cut(&rules, '\n', &line))
		write_rule(j, line);
}

static void write_role(sp_jout *j, const boot_role *r)
{
	sp_jout_open(j, '{');
	write_meta(j, r->aggregate_to);
	if (r->aggregate_from != NULL) {
		char text[256];
		int n = snprintf(text, sizeof text,
				 "{\"clusterRoleSelectors\":[{\"matchLabels\":{\"" AGGREGATE_TO
				 "%s\":\"true\"}}]}",
				 r->aggregate_from);
		sp_jout_member_raw(j, SP_STR("aggregationRule"), (sp_str){text, (size_t)n});
	} else {
		sp_jout_member_open(j, SP_STR("rules"), '[');
		write_rules(j, r);
		sp_jout_close(j, ']');
	}
	sp_jout_close(j, '}');
}

static void write_subject(sp_jout *j, sp_str line)
{
	sp_str kind, ns;
	(void)sp_str_cut(&line, ' ', &kind);
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("kind"), kind);
	if (sp_str_eq(kind, SP_STR("ServiceAccount"))) {
		(void)sp_str_cut(&line, '/', &ns);
		sp_jout_member_str(j, SP_STR("namespace"), ns);
	} else {
		sp_jout_member_str(j, SP_STR("apiGroup"), SP_STR(GROUP));
	}
	sp_jout_member_str(j, SP_STR("name"), line);
	sp_jout_close(j, '}');
}

static void write_binding(sp_jout *j, const boot_binding *b)
{
	sp_str lines = sp_str_c(b->subjects), line;
	sp_jout_open(j, '{');
	write_meta(j, NULL);
	sp_jout_member_open(j, SP_STR("subjects"), '[');
	while (lines.len > 0) {
		if (!sp_str_cut(&lines, '\n', &line)) {
			line = lines;
			lines.len = 0;
		}
		write_subject(j, line);
	}
	sp_jout_close(j, ']');
	sp_jout_member_open(j, SP_STR("roleRef"), '{');
	sp_jout_member_str(j, SP_STR("apiGroup"), SP_STR(GROUP));
	sp_jout_member_str(j, SP_STR("kind"), b->ns == NULL ? SP_STR("ClusterRole") : SP_STR("Role"));
	sp_jout_member_str(j, SP_STR("name"), sp_str_c(b->role));
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

/* ---- reconciliation ---- */

/* Members of the wanted map that the object's lacks. */
static bool add_members(boot *b, yyjson_mut_val *obj, yyjson_mut_val *want, const char *name)
{
	yyjson_mut_val *to = sp_kv_need_obj(boot_doc(b), sp_meta(obj), name);
	if (to == NULL)
		return false;
	SP_KV_EACH_MEMBER (key, value, i, sp_kv_map(sp_meta(want), name)) {
		if (sp_jmut_get(to, sp_jmut_str(key)) == NULL &&
		    !sp_jmut_set_str(boot_doc(b), to, sp_jmut_str(key), sp_jmut_str(value)))
			return false;
	}
	return true;
}

static bool is_protected(yyjson_mut_val *obj)
{
	return sp_str_eq(sp_meta_annotation(obj, AUTOUPDATE), SP_STR("false"));
}

static bool read_rules(boot *b, yyjson_mut_val *obj, api_rules *ret)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX * 16);
	yyjson_mut_val *rules = sp_kv_list(obj, "rules");
	yyjson_val *parsed = NULL;
	*ret = (api_rules){0};
	if (rules == NULL)
		return true;
	return sp_json_write_mut(&text, rules) == SP_OK &&
	       sp_json_parse(boot_arena(b), sp_buf_view(&text), &parsed, NULL) == SP_OK &&
	       api_rules_read(boot_arena(b), parsed, ret);
}

static bool add_rules(boot *b, yyjson_mut_val *obj, const api_rules *rules)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	yyjson_mut_val *list = rules->n == 0 ? NULL : sp_kv_need_list(boot_doc(b), obj, "rules");
	for (size_t i = 0; i < rules->n; i++) {
		yyjson_mut_val *rule = NULL;
		sp_buf_clear(&text);
		if (list == NULL || api_rule_write(&text, &rules->items[i]) != SP_OK ||
		    sp_json_parse_mut(boot_arena(b), sp_buf_view(&text), boot_doc(b), &rule, NULL) != SP_OK ||
		    !yyjson_mut_arr_append(list, rule))
			return false;
	}
	return true;
}

/* Copies of the wanted items that the list lacks. */
static bool add_items(boot *b, yyjson_mut_val *obj, yyjson_mut_val *want, const char *name)
{
	yyjson_mut_val *to = sp_kv_need_list(boot_doc(b), obj, name);
	if (to == NULL)
		return false;
	SP_KV_EACH (item, i, sp_kv_list(want, name)) {
		bool found = false;
		SP_KV_EACH (have, k, to)
			found = found || sp_kv_equal(have, item);
		yyjson_mut_val *copy = found ? NULL : yyjson_mut_val_mut_copy(boot_doc(b), item);
		if (!found && (copy == NULL || !yyjson_mut_arr_append(to, copy)))
			return false;
	}
	return true;
}

static bool merge_aggregation(boot *b, yyjson_mut_val *obj, yyjson_mut_val *want)
{
	yyjson_mut_val *rule = sp_kv_get(want, "aggregationRule"), *to;
	if (rule == NULL) {
		sp_kv_drop(obj, "aggregationRule");
		return true;
	}
	to = sp_kv_need_obj(boot_doc(b), obj, "aggregationRule");
	return to != NULL && add_items(b, to, rule, "clusterRoleSelectors");
}

static bool merge_role(boot *b, yyjson_mut_val *obj, yyjson_mut_val *want)
{
	api_rules have, wanted, missing;
	if (is_protected(obj))
		return true;
	return add_members(b, obj, want, "annotations") && add_members(b, obj, want, "labels") &&
	       read_rules(b, obj, &have) && read_rules(b, want, &wanted) &&
	       api_rules_missing(boot_arena(b), &have, &wanted, &missing, NULL) == SP_OK &&
	       add_rules(b, obj, &missing) && merge_aggregation(b, obj, want);
}

static bool merge_binding(boot *b, yyjson_mut_val *obj, yyjson_mut_val *want)
{
	if (is_protected(obj))
		return true;
	return add_members(b, obj, want, "annotations") && add_members(b, obj, want, "labels") &&
	       add_items(b, obj, want, "subjects");
}

/* ---- the parts ---- */

static void put_roles(boot *b, const boot_role *roles, size_t n)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	for (size_t i = 0; i < n; i++) {
		const boot_where where = {GROUP, "v1", roles[i].ns == NULL ? "clusterroles" : "roles",
					  sp_str_c(roles[i].ns), sp_str_c(roles[i].name)};
		sp_buf_clear(&text);
		sp_jout j = sp_jout_to(&text);
		write_role(&j, &roles[i]);
		boot_put(b, &where, merge_role, sp_buf_view(&text));
	}
}

static void put_binding(boot *b, const boot_binding *binding)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	const boot_where where = {GROUP, "v1", binding->ns == NULL ? "clusterrolebindings" : "rolebindings",
				  sp_str_c(binding->ns), sp_str_c(binding->name)};
	sp_jout j = sp_jout_to(&text);
	write_binding(&j, binding);
	boot_put(b, &where, merge_binding, sp_buf_view(&text));
}

/* "system:controller:X" is bound to the service account X. */
static void put_controller_bindings(boot *b)
{
	for (size_t i = 0; i < boot_controller_roles_n; i++) {
		const char *name = boot_controller_roles[i].name;
		char subject[160];
		(void)snprintf(subject, sizeof subject, "ServiceAccount kube-system/%s",
			       name + strlen("system:controller:"));
		put_binding(b, &(boot_binding){.name = name, .role = name, .subjects = subject});
	}
}

void boot_put_roles(boot *b)
{
	put_roles(b, boot_cluster_roles, boot_cluster_roles_n);
	put_roles(b, boot_controller_roles, boot_controller_roles_n);
	put_roles(b, boot_roles, boot_roles_n);
	for (size_t i = 0; i < boot_cluster_bindings_n; i++)
		put_binding(b, &boot_cluster_bindings[i]);
	put_controller_bindings(b);
	for (size_t i = 0; i < boot_bindings_n; i++)
		put_binding(b, &boot_bindings[i]);
}

sp_code api_bootstrap_rules(sp_arena *a, const char *name, api_rules *ret, sp_err *err)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	yyjson_val *list = NULL;
	size_t i = 0;
	while (i < boot_cluster_roles_n && strcmp(boot_cluster_roles[i].name, name) != 0)
		i++;
	SP_ASSERT(i < boot_cluster_roles_n);
	sp_jout j = sp_jout_to(&text);
	sp_jout_open(&j, '[');
	write_rules(&j, &boot_cluster_roles[i]);
	sp_jout_close(&j, ']');
	if (sp_buf_code(&text) != SP_OK)
		return sp_fail(err, sp_buf_code(&text), "no room for the rules of %s", name);
	SP_TRY(sp_json_parse(a, sp_buf_view(&text), &list, err));
	return api_rules_read(a, list, ret) ? SP_OK
					    : sp_fail(err, SP_ENOMEM, "no room for the rules of %s", name);
}
