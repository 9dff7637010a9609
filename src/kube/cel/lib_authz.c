/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the authorizer. U: apiserver pkg/cel/library/authz.go */
#include "kube/cel/opaque.h"
#include "kube/names.h"

static const cel_authz *of(sp_cel_val v)
{
	return v.ptr;
}

static sp_cel_val keep(cel_ctx *c, const sp_cel_type *type, const cel_authz *z)
{
	cel_authz *kept = sp_try_new(c->arena, cel_authz, 1);
	if (kept == NULL)
		return cel_oom(c);
	*kept = *z;
	return cel_opaque(type, kept);
}

/* `authorizer` itself is the caller's struct; what grows out of it is ours. */
static cel_authz begin(sp_cel_val v)
{
	return (v.flags & CEL_V_ROOT) != 0 ? (cel_authz){.authorizer = v.ptr} : *of(v);
}

sp_cel_val sp_cel_of_authorizer(const sp_cel_authorizer *z)
{
	sp_cel_val v = cel_opaque(&sp_cel_authorizer_type, z);
	v.flags = CEL_V_ROOT;
	return v;
}

sp_cel_val sp_cel_of_request_resource(sp_cel_run *run, const sp_cel_authorizer *z,
				      const sp_cel_authz_query *q)
{
	cel_ctx c = {.run = run, .arena = run->arena};
	cel_authz made = {.authorizer = z, .query = *q};
	made.query.resource = true;
	made.query.version = SP_STR("*");
	return keep(&c, &sp_cel_resource_check_type, &made);
}

static sp_cel_val path(cel_ctx *c, const sp_cel_val *a)
{
	cel_authz z = begin(a[0]);
	z.query.path = sp_cel_str(a[1]);
	if (sp_str_trim(z.query.path).len == 0)
		return CEL_ERR("path must not be empty");
	return keep(c, &cel_t_path_check, &z);
}

static sp_cel_val group(cel_ctx *c, const sp_cel_val *a)
{
	cel_authz z = begin(a[0]);
	z.query.group = sp_cel_str(a[1]);
	return keep(c, &cel_t_group_check, &z);
}

static sp_cel_val service_account(cel_ctx *c, const sp_cel_val *a)
{
	cel_authz z = begin(a[0]);
	z.query.user_namespace = sp_cel_str(a[1]);
	z.query.user_name = sp_cel_str(a[2]);
	if (sp_name_dns1123_subdomain(z.query.user_name).n > 0)
		return CEL_ERR("Invalid service account name");
	if (sp_name_dns1123_label(z.query.user_namespace).n > 0)
		return CEL_ERR("Invalid service account namespace");
	return keep(c, &sp_cel_authorizer_type, &z);
}

static sp_cel_val resource(cel_ctx *c, const sp_cel_val *a)
{
	cel_authz z = *of(a[0]);
	z.query.resource = true;
	z.query.version = SP_STR("*");
	z.query.name_of_resource = sp_cel_str(a[1]);
	if (sp_str_trim(z.query.name_of_resource).len == 0)
		return CEL_ERR("resource must not be empty");
	return keep(c, &sp_cel_resource_check_type, &z);
}

#define REFINE(fn, field)                                        \
	static sp_cel_val fn(cel_ctx *c, const sp_cel_val *a)    \
	{                                                        \
		cel_authz z = *of(a[0]);                         \
		z.query.field = sp_cel_str(a[1]);                \
		return keep(c, &sp_cel_resource_check_type, &z); \
	}
REFINE(subresource, subresource)
REFINE(namespace_, ns)
REFINE(name, name)

static sp_cel_val field_selector(cel_ctx *c, const sp_cel_val *a)
{
	cel_authz z = *of(a[0]);
	z.query.field_selector = sp_cel_str(a[1]);
	z.query.has_field_selector = a[1].len > 0;
	return keep(c, &sp_cel_resource_check_type, &z);
}

static sp_cel_val label_selector(cel_ctx *c, const sp_cel_val *a)
{
	cel_authz z = *of(a[0]);
	z.query.label_selector = sp_cel_str(a[1]);
	z.query.has_label_selector = a[1].len > 0;
	return keep(c, &sp_cel_resource_check_type, &z);
}

static sp_cel_val check(cel_ctx *c, const sp_cel_val *a)
{
	cel_authz z = *of(a[0]);
	sp_cel_authz_answer *answer = sp_try_new(c->arena, sp_cel_authz_answer, 1);
	if (answer == NULL)
		return cel_oom(c);
	z.query.verb = sp_cel_str(a[1]);
	answer->decision = SP_CEL_NO_OPINION;
	if (z.authorizer == NULL || z.authorizer->ask == NULL)
		return CEL_ERR("no authorizer");
	z.authorizer->ask(z.authorizer->arg, &z.query, answer);
	sp_str reason = sp_arena_try_dup(c->arena, answer->reason),
	       error = sp_arena_try_dup(c->arena, answer->error);
	if (reason.len != answer->reason.len || error.len != answer->error.len)
		return cel_oom(c);
	answer->reason = reason;
	answer->error = error;
	return cel_opaque(&cel_t_decision, answer);
}

static const sp_cel_authz_answer *decision(sp_cel_val v)
{
	return v.ptr;
}

static sp_cel_val errored(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_bool(decision(a[0])->error.len > 0);
}

static sp_cel_val error(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_str(decision(a[0])->error);
}

static sp_cel_val allowed(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_bool(decision(a[0])->decision == SP_CEL_ALLOW);
}

static sp_cel_val reason(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_str(decision(a[0])->reason);
}

#define S &sp_cel_string
#define AUTHORIZER &sp_cel_authorizer_type
#define RESOURCE &sp_cel_resource_check_type
#define NOMINAL CEL_COST_NOMINAL

CEL_LIBRARY(cel_lib_authz, SP_CEL_LIB_K8S,
	    CEL_MEMBER_COST("path", "authorizer_path", NOMINAL, path, &cel_t_path_check, AUTHORIZER, S),
	    CEL_MEMBER_COST("group", "authorizer_group", NOMINAL, group, &cel_t_group_check, AUTHORIZER, S),
	    CEL_MEMBER_COST("serviceAccount", "authorizer_serviceaccount", NOMINAL, service_account,
			    AUTHORIZER, AUTHORIZER, S, S),
	    CEL_MEMBER_COST("resource", "groupcheck_resource", NOMINAL, resource, RESOURCE,
			    &cel_t_group_check, S),
	    CEL_MEMBER_COST("subresource", "resourcecheck_subresource", NOMINAL, subresource, RESOURCE,
			    RESOURCE, S),
	    CEL_MEMBER_COST("namespace", "resourcecheck_namespace", NOMINAL, namespace_, RESOURCE, RESOURCE,
			    S),
	    CEL_MEMBER_COST("name", "resourcecheck_name", NOMINAL, name, RESOURCE, RESOURCE, S),
	    CEL_MEMBER_COST("check", "pathcheck_check", CEL_COST_CHECK, check, &cel_t_decision,
			    &cel_t_path_check, S),
	    CEL_MEMBER_COST("check", "resourcecheck_check", CEL_COST_CHECK, check, &cel_t_decision, RESOURCE,
			    S),
	    CEL_MEMBER_COST("errored", "decision_errored", NOMINAL, errored, &sp_cel_bool, &cel_t_decision),
	    CEL_MEMBER_COST("error", "decision_error", NOMINAL, error, S, &cel_t_decision),
	    CEL_MEMBER_COST("allowed", "decision_allowed", NOMINAL, allowed, &sp_cel_bool, &cel_t_decision),
	    CEL_MEMBER_COST("reason", "decision_reason", NOMINAL, reason, S, &cel_t_decision),
	    CEL_MEMBER_COST("fieldSelector", "authorizer_fieldselector", CEL_COST_SELECTOR, field_selector,
			    RESOURCE, RESOURCE, S),
	    CEL_MEMBER_COST("labelSelector", "authorizer_labelselector", CEL_COST_SELECTOR, label_selector,
			    RESOURCE, RESOURCE, S));
