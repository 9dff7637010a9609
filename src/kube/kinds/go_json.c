/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/go_json.h"

#define FIELDS(name, ...)                                    \
	static const sp_go_field name##_f[] = {__VA_ARGS__}; \
	const sp_go_type name = {name##_f, SP_LEN(name##_f)}

FIELDS(sp_go_taint, {"Key", "key", SP_GO_STR, NULL}, {"Value", "value", SP_GO_STR, NULL},
       {"Effect", "effect", SP_GO_STR, NULL}, {"TimeAdded", "timeAdded", SP_GO_PTR, NULL});
FIELDS(sp_go_pod_resource_claim, {"Name", "name", SP_GO_STR, NULL},
       {"ResourceClaimName", "resourceClaimName", SP_GO_PTR, NULL},
       {"ResourceClaimTemplateName", "resourceClaimTemplateName", SP_GO_PTR, NULL});
FIELDS(sp_go_seccomp_profile, {"Type", "type", SP_GO_STR, NULL},
       {"LocalhostProfile", "localhostProfile", SP_GO_PTR, NULL});
static const sp_go_field scope_f[] = {{"ScopeName", "scopeName", SP_GO_STR, NULL},
				      {"Operator", "operator", SP_GO_STR, NULL},
				      {"Values", "values", SP_GO_PTR, NULL}};
static const sp_go_type scope = {scope_f, SP_LEN(scope_f)};
FIELDS(sp_go_scope_selector, {"MatchExpressions", "matchExpressions", SP_GO_STRUCT_LIST, &scope});
static const sp_go_field requirement_f[] = {{"Key", "key", SP_GO_STR, NULL},
					    {"Operator", "operator", SP_GO_STR, NULL},
					    {"Values", "values", SP_GO_PTR, NULL}};
static const sp_go_type requirement = {requirement_f, SP_LEN(requirement_f)};
static const sp_go_field term_f[] = {
	{"MatchExpressions", "matchExpressions", SP_GO_STRUCT_LIST, &requirement},
	{"MatchFields", "matchFields", SP_GO_STRUCT_LIST, &requirement}};
static const sp_go_type term = {term_f, SP_LEN(term_f)};
static const sp_go_field terms_f[] = {{"NodeSelectorTerms", "nodeSelectorTerms", SP_GO_STRUCT_LIST, &term}};
static const sp_go_type terms = {terms_f, SP_LEN(terms_f)};
FIELDS(sp_go_volume_affinity, {"Required", "required", SP_GO_STRUCT_PTR, &terms});
FIELDS(sp_go_ip, {"IP", "ip", SP_GO_STR, NULL});

static const sp_go_field capabilities_f[] = {{"Add", "add", SP_GO_PTR, NULL},
					     {"Drop", "drop", SP_GO_PTR, NULL}};
static const sp_go_type capabilities = {capabilities_f, SP_LEN(capabilities_f)};
static const sp_go_field selinux_f[] = {{"User", "user", SP_GO_STR, NULL},
					{"Role", "role", SP_GO_STR, NULL},
					{"Type", "type", SP_GO_STR, NULL},
					{"Level", "level", SP_GO_STR, NULL}};
static const sp_go_type selinux = {selinux_f, SP_LEN(selinux_f)};
static const sp_go_field windows_f[] = {{"GMSACredentialSpecName", "gmsaCredentialSpecName", SP_GO_PTR, NULL},
					{"GMSACredentialSpec", "gmsaCredentialSpec", SP_GO_PTR, NULL},
					{"RunAsUserName", "runAsUserName", SP_GO_PTR, NULL},
					{"HostProcess", "hostProcess", SP_GO_PTR, NULL}};
static const sp_go_type windows = {windows_f, SP_LEN(windows_f)};
FIELDS(sp_go_security_context, {"Capabilities", "capabilities", SP_GO_STRUCT_PTR, &capabilities},
       {"Privileged", "privileged", SP_GO_PTR, NULL},
       {"SELinuxOptions", "seLinuxOptions", SP_GO_STRUCT_PTR, &selinux},
       {"WindowsOptions", "windowsOptions", SP_GO_STRUCT_PTR, &windows},
       {"RunAsUser", "runAsUser", SP_GO_PTR, NULL}, {"RunAsGroup", "runAsGroup", SP_GO_PTR, NULL},
       {"RunAsNonRoot", "runAsNonRoot", SP_GO_PTR, NULL},
       {"ReadOnlyRootFilesystem", "readOnlyRootFilesystem", SP_GO_PTR, NULL},
       {"AllowPrivilegeEscalation", "allowPrivilegeEscalation", SP_GO_PTR, NULL},
       {"ProcMount", "procMount", SP_GO_PTR, NULL},
       {"SeccompProfile", "seccompProfile", SP_GO_STRUCT_PTR, &sp_go_seccomp_profile},
       {"AppArmorProfile", "appArmorProfile", SP_GO_STRUCT_PTR, &sp_go_seccomp_profile});

static void write_struct(sp_buf *out, const sp_go_type *type, yyjson_mut_val *v);

static void write_list(sp_buf *out, const sp_go_type *type, yyjson_mut_val *list)
{
	(void)sp_buf_char(out, '[');
	SP_KV_EACH (item, i, list) {
		if (i > 0)
			(void)sp_buf_char(out, ',');
		write_struct(out, type, item);
	}
	(void)sp_buf_char(out, ']');
}

static void write_field(sp_buf *out, const sp_go_field *f, yyjson_mut_val *v)
{
	switch (f->kind) {
	case SP_GO_STR:
		(void)sp_json_write_str(out, sp_jmut_str(v));
		return;
	case SP_GO_BOOL:
		(void)sp_buf_str(out, yyjson_mut_is_true(v) ? SP_STR("true") : SP_STR("false"));
		return;
	case SP_GO_I64:
		(void)sp_buf_i64(out, sp_kv_num(v, 0));
		return;
	case SP_GO_PTR:
		if (v != NULL) {
			(void)sp_json_write_mut(out, v);
			return;
		}
		break;
	case SP_GO_STRUCT_PTR:
		if (v != NULL) {
			write_struct(out, f->type, v);
			return;
		}
		break;
	case SP_GO_STRUCT_LIST:
		if (v != NULL) {
			write_list(out, f->type, v);
			return;
		}
		break;
	}
	(void)sp_buf_str(out, SP_STR("null"));
}

static void write_struct(sp_buf *out, const sp_go_type *type, yyjson_mut_val *v)
{
	for (size_t i = 0; i < type->n; i++) {
		(void)sp_buf_printf(out, "%c\"%s\":", i == 0 ? '{' : ',', type->fields[i].go);
		write_field(out, &type->fields[i], sp_kv_get(v, type->fields[i].json));
	}
	(void)sp_buf_char(out, '}');
}

sp_str sp_go_struct(sp_arena *a, const sp_go_type *type, yyjson_mut_val *v)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, a->limit_bytes);
	write_struct(&out, type, v);
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

sp_str sp_go_list(sp_arena *a, const sp_go_type *type, yyjson_mut_val *list)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, a->limit_bytes);
	write_list(&out, type, list);
	return sp_arena_try_dup(a, sp_buf_view(&out));
}
