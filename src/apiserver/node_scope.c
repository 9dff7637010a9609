/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/node_scope.h"

#include "apiserver/node_authz.h"
#include "apiserver/server_int.h"

#define NODE_EXTRA SP_STR("authentication.kubernetes.io/node-name")

typedef struct account_view {
	sp_vmap annotations;
} account_view;
SP_VIEW(scoped_desc, account_view, "v1/ServiceAccount",
	SP_V(account_view, annotations, "metadata.annotations"));

bool api_node_scoped(api_server *s, sp_arena *a, const api_user *user, sp_str *ret_node)
{
	sp_str ns, name, node = api_user_extra(user, NODE_EXTRA);
	account_view v;
	if (!api_user_service_account(user->name, &ns, &name))
		return false;
	sp_code code = api_view_stored(s, a, "/registry/serviceaccounts/", ns, name, &scoped_desc, &v, NULL);
	*ret_node = node;
	if (code == SP_OK)
		return sp_str_eq(sp_vmap_str(v.annotations, SP_STR(API_NODE_SCOPED_NOTE)), SP_STR("true"));
	/* An account that is gone lives on in its tokens for some seconds: nobody knows any more what it was.
	 * A mere name, as somebody impersonates it, is not meant. */
	return code != SP_ENOTFOUND || node.len > 0;
}

typedef struct scope {
	api_server *server;
	sp_arena *arena;
	const api_attributes *what;
	sp_str node;
	sp_str why;
} scope;

static bool is_verb(const scope *q, const char *verb)
{
	return sp_str_eq(q->what->verb, sp_str_c(verb));
}
static bool is_listing(const scope *q)
{
	return is_verb(q, "list") || is_verb(q, "watch");
}

static bool refuse(scope *q, const char *why)
{
	q->why = sp_str_c(why);
	return false;
}

/* What the authorizer of nodes says. */
static bool node_may(scope *q)
{
	if (api_node_may(q->server, q->arena, q->node, q->what, &q->why) == API_ALLOW)
		return true;
	return q->why.len > 0 ? false : refuse(q, "the node itself may not");
}

/* It shows what the object shows. */
static bool reads_status(const scope *q)
{
	return is_verb(q, "get") && sp_str_eq(q->what->subresource, SP_STR("status"));
}

/* ---- one function per resource ---- */

static bool needs_selector(scope *q, const char *field)
{
	q->why = sp_arena_printf(q->arena, "a list or watch needs the field selector %s=" SP_FMT, field,
				 SP_ARG(q->node));
	return false;
}

/* The authorizer of nodes leaves the name of what is written to admission. A new object has none yet:
 * admission sees this user as the node, too. */
static bool on_named(scope *q)
{
	bool is_other = q->what->name.len > 0 && !sp_str_eq(q->what->name, q->node);
	if (is_listing(q) && !sp_str_eq(q->what->name, q->node))
		return needs_selector(q, "metadata.name");
	if (is_other)
		return refuse(q, "only the object of that node can be touched");
	return true;
}

static bool on_nodes(scope *q)
{
	return on_named(q) && (reads_status(q) || node_may(q));
}

static bool on_leases(scope *q)
{
	if (!sp_str_eq(q->what->ns, SP_STR("kube-node-lease")))
		return refuse(q, "can only access leases in the \"kube-node-lease\" system namespace");
	if (!on_named(q))
		return false;
	return (is_listing(q) && q->what->subresource.len == 0) || node_may(q);
}

static bool on_pods(scope *q)
{
	if (is_listing(q))
		return node_may(q) || needs_selector(q, "spec.nodeName");
	if (!reads_status(q) && !node_may(q))
		return false;
	if (q->what->name.len == 0 || api_node_has_pod(q->server, q->arena, q->node, q->what))
		return true;
	return refuse(q, "the pod is not bound to that node");
}

static bool on_used(scope *q)
{
	return node_may(q);
}

static const struct {
	sp_str group, resource;
	bool (*may)(scope *q);
} resources[] = {
	{SP_STR_INIT(""), SP_STR_INIT("nodes"), on_nodes},
	{SP_STR_INIT("coordination.k8s.io"), SP_STR_INIT("leases"), on_leases},
	{SP_STR_INIT(""), SP_STR_INIT("pods"), on_pods},
	{SP_STR_INIT(""), SP_STR_INIT("secrets"), on_used},
	{SP_STR_INIT(""), SP_STR_INIT("configmaps"), on_used},
	{SP_STR_INIT(""), SP_STR_INIT("persistentvolumeclaims"), on_used},
	{SP_STR_INIT(""), SP_STR_INIT("persistentvolumes"), on_used},
};

/* What everybody may ask who is known. U: roles system:discovery, system:public-info-viewer,
 * system:service-account-issuer-discovery. */
static bool may_path(scope *q)
{
	static const char *const public[] = {"/api",   "/apis",   "/openapi", "/version",    "/healthz",
					     "/livez", "/readyz", "/openid",  "/.well-known"};
	sp_str head = q->what->path;
	ptrdiff_t slash = sp_str_index(sp_str_sub(head, 1, head.len), '/');
	if (slash >= 0)
		head = sp_str_sub(head, 0, (size_t)slash + 1);
	if ((is_verb(q, "get") || is_verb(q, "head")) && SP_STR_IN(head, public))
		return true;
	return refuse(q, "of paths only those of discovery and health can be read");
}

/* What one may do oneself, and who one is: that tells no more than trying. */
static bool is_self_review(const scope *q)
{
	static const char *const reviews[] = {"selfsubjectaccessreviews", "selfsubjectrulesreviews",
					      "selfsubjectreviews"};
	return q->what->is_resource && is_verb(q, "create") && q->what->subresource.len == 0 &&
	       (sp_str_eq(q->what->group, SP_STR("authorization.k8s.io")) ||
		sp_str_eq(q->what->group, SP_STR("authentication.k8s.io"))) &&
	       SP_STR_IN(q->what->resource, reviews);
}

static bool may(scope *q)
{
	if (is_self_review(q))
		return true;
	if (q->node.len == 0)
		return refuse(q, "the token names no node");
	if (!q->what->is_resource)
		return may_path(q);
	for (size_t i = 0; i < SP_LEN(resources); i++) {
		if (sp_str_eq(resources[i].resource, q->what->resource) &&
		    sp_str_eq(resources[i].group, q->what->group))
			return resources[i].may(q);
	}
	return refuse(q,
		      "only that Node, its Lease, the pods bound to it and the secrets, config maps, claims "
		      "and volumes that these use can be touched");
}

api_decision api_node_scope_decide(api_server *s, sp_arena *a, const api_user *user,
				   const api_attributes *what, sp_str *ret_reason)
{
	scope q = {.server = s, .arena = a, .what = what};
	*ret_reason = (sp_str){NULL, 0};
	if (!api_node_scoped(s, a, user, &q.node) || may(&q))
		return API_NO_OPINION;
	*ret_reason = sp_arena_printf(a,
				      "the service account is limited to node \"" SP_FMT
				      "\" (" API_NODE_SCOPED_NOTE "): " SP_FMT,
				      SP_ARG(q.node), SP_ARG(q.why));
	return API_DENY;
}
