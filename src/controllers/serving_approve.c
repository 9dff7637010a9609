/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serving certificates of kubelets. Upstream leaves their approval to whoever runs the cluster; here a node
 * gets one for its own name and for those addresses of its Node object that are nobody else's: upstream's
 * rules for the signer kubernetes.io/kubelet-serving, and then what is told below. A node writes its status
 * itself, so what stands there is a claim: the API server's addresses are not its to claim, nor another
 * node's. Whoever asks before its Node object has the addresses, as at a first start, is looked at again when
 * that changes.
 */
#include <stdio.h>

#include "base/ip.h"
#include "base/log.h"
#include "controllers/cert_requests.h"
#include "controllers/table.h"

#define KUBELET_SERVING "kubernetes.io/kubelet-serving"
#define USER_PREFIX "system:node:"

typedef struct approver {
	controller base;
	sp_informer *requests, *nodes, *services, *endpoints;
	unsigned open_by_user, nodes_by_address;
	sp_informer_watch watch, node_watch;
} approver;

typedef struct node_view {
	sp_vlist addresses;
} node_view;
SP_VIEW(serving_node_desc, node_view, "v1/Node", SP_V(node_view, addresses, "status.addresses"));

typedef struct service_view {
	sp_str ip;
	sp_vlist ips;
} service_view;
SP_VIEW(serving_service_desc, service_view, "v1/Service", SP_V(service_view, ip, "spec.clusterIP"),
	SP_V(service_view, ips, "spec.clusterIPs"));

typedef struct endpoints_view {
	sp_vlist subsets;
} endpoints_view;
SP_VIEW(serving_endpoints_desc, endpoints_view, "v1/Endpoints", SP_V(endpoints_view, subsets, "subsets"));

/* ---- whose addresses these are ---- */

static bool is_same(sp_str text, const sp_ip *ip)
{
	sp_ip other;
	return sp_ip_parse(text, &other) && sp_ip_eq(&other, ip);
}

/* Is it the `member` of one of these? */
static bool is_listed(sp_vlist list, const char *member, const sp_ip *ip)
{
	SP_VLIST_FOREACH(item, list)
	{
		if (is_same(sp_view_str_at(item, member), ip))
			return true;
	}
	return false;
}

static bool is_endpoint(sp_vlist subsets, const sp_ip *ip)
{
	static const char *const members[] = {"addresses", "notReadyAddresses"};
	SP_VLIST_FOREACH(subset, subsets)
	{
		for (size_t i = 0; i < SP_LEN(members); i++) {
			yyjson_val *list = sp_json_last(subset, sp_str_c(members[i]));
			if (is_listed((sp_vlist){yyjson_arr_get_first(list), yyjson_arr_size(list)}, "ip",
				      ip))
				return true;
		}
	}
	return false;
}

/* The API server's, by its service or behind it. Without the service nothing is known. */
static bool may_be_the_servers(const approver *c, sp_arena *a, const sp_ip *ip)
{
	service_view v;
	endpoints_view e;
	const sp_object *service = sp_informer_get_in(c->services, SP_STR("default"), SP_STR("kubernetes"));
	const sp_object *ends = sp_informer_get_in(c->endpoints, SP_STR("default"), SP_STR("kubernetes"));
	if (service == NULL || sp_view(a, service->json, &serving_service_desc, &v, NULL) != SP_OK)
		return true;
	bool found = is_same(v.ip, ip);
	SP_VLIST_FOREACH(item, v.ips)
	found = found || is_same(sp_json_str(item), ip);
	if (found || ends == NULL) /* of a server on loopback there are none */
		return found;
	return sp_view(a, ends->json, &serving_endpoints_desc, &e, NULL) != SP_OK ||
	       is_endpoint(e.subsets, ip);
}

static sp_str key_of(const sp_ip *ip)
{
	return (sp_str){(const char *)ip->bytes, sizeof ip->bytes};
}

/* Under each of its addresses, however it writes them. */
static void keys_of_node(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	yyjson_val *item, *list = sp_view_at(object, "status.addresses");
	size_t i, n;
	(void)arg;
	(void)o;
	yyjson_arr_foreach(list, i, n, item)
	{
		sp_ip ip;
		if (sp_ip_parse(sp_view_str_at(item, "address"), &ip)) {
			const sp_str key = key_of(&ip);
			sp_index_emit_parts(keys, &key, 1);
		}
	}
}

static bool is_of_another(const approver *c, const sp_object *node, const sp_ip *ip)
{
	const sp_object *o;
	for (sp_index_at at = sp_informer_find(c->nodes, c->nodes_by_address, key_of(ip));
	     (o = sp_index_next(&at)) != NULL;) {
		if (o != node)
			return true;
	}
	return false;
}

typedef enum verdict {
	OWN,
	NOT_OWN, /* at least not before its node says so */
	TAKEN,   /* by somebody else, who may go */
} verdict;

static verdict judge_address(const approver *c, sp_arena *a, const sp_object *node, sp_str text)
{
	sp_ip ip;
	node_view v;
	if (!sp_ip_parse(text, &ip) || sp_ip_is_loopback(&ip) || sp_ip_is_unspecified(&ip))
		return NOT_OWN;
	if (sp_view(a, node->json, &serving_node_desc, &v, NULL) != SP_OK)
		return TAKEN; /* without memory: it comes again */
	if (!is_listed(v.addresses, "address", &ip))
		return NOT_OWN;
	return may_be_the_servers(c, a, &ip) || is_of_another(c, node, &ip) ? TAKEN : OWN;
}

static verdict judge(const approver *c, const csr_approval *x)
{
	verdict v = OWN;
	sp_str name = x->csr.username;
	if (!sp_str_take(&name, SP_STR(USER_PREFIX)))
		return NOT_OWN;
	for (size_t i = 0; i < x->who.dns.n; i++) {
		if (!sp_str_eq(x->who.dns.items[i], name))
			return NOT_OWN;
	}
	const sp_object *node = sp_informer_get(c->nodes, name);
	if (node == NULL)
		return NOT_OWN;
	for (size_t i = 0; i < x->who.ips.n && v == OWN; i++)
		v = judge_address(c, x->job->arena, node, x->who.ips.items[i]);
	return v;
}

/* A node, and for itself. */
static bool is_own_request(const csr_approval *x)
{
	bool is_node = false;
	SP_VLIST_FOREACH(g, x->csr.groups)
	is_node = is_node || sp_str_eq(sp_json_str(g), SP_STR("system:nodes"));
	return is_node && sp_str_eq(x->csr.username, x->who.common_name);
}

static void sync_request(controller *base, sp_job *job)
{
	const approver *c = SP_CONTAINER_OF(base, approver, base);
	csr_approval *x = sp_new(job->arena, csr_approval, 1);
	*x = (csr_approval){.client = base->client, .job = job};
	if (!csr_approval_open(x, sp_informer_get(c->requests, job->key), KUBELET_SERVING,
			       csr_kubelet_serving_fault))
		return;
	verdict v = is_own_request(x) ? judge(c, x) : NOT_OWN;
	if (v == OWN) {
		csr_approval_write(
			x,
			SP_STR("Auto approving kubelet serving certificate for the node's own addresses."));
		return;
	}
	sp_log(base->log, SP_LOG_DEBUG, "serving certificate: not the node's names",
	       SP_KS("name", x->object->name));
	sp_job_done(job, v == TAKEN ? SP_EFORBIDDEN : SP_OK);
}

/* ---- when ---- */

/* Those that may be approved yet, under who asks. */
static void keys_of_request(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	yyjson_val *conditions = sp_view_at(object, "status.conditions");
	(void)arg;
	(void)o;
	if (sp_str_eq(sp_view_str_at(object, "spec.signerName"), SP_STR(KUBELET_SERVING)) &&
	    yyjson_arr_size(conditions) == 0)
		sp_index_emit(keys, sp_view_str_at(object, "spec.username"));
}

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	approver *c = arg;
	const sp_object *o;
	char user[SP_OBJECT_KEY_BYTES + sizeof USER_PREFIX];
	(void)old;
	if (now == NULL)
		return;
	int n = snprintf(user, sizeof user, USER_PREFIX SP_FMT, SP_ARG(now->name));
	if (n < 0 || (size_t)n >= sizeof user)
		return;
	for (sp_index_at at = sp_informer_find(c->requests, c->open_by_user, (sp_str){user, (size_t)n});
	     (o = sp_index_next(&at)) != NULL;)
		sp_queue_add(c->base.queue, o->key);
}

static sp_code open_approver(controller *base, sp_err *err)
{
	approver *c = SP_CONTAINER_OF(base, approver, base);
	SP_TRY(controller_follow(base, csr_gvr, csr_view, &c->requests, err));
	SP_TRY(controller_follow(base, SP_NODES, &serving_node_desc, &c->nodes, err));
	SP_TRY(controller_follow(base, SP_SERVICES, &serving_service_desc, &c->services, err));
	SP_TRY(controller_follow(base, SP_ENDPOINTS, &serving_endpoints_desc, &c->endpoints, err));
	SP_TRY(sp_informer_index(c->requests, keys_of_request, NULL, &c->open_by_user, err));
	SP_TRY(sp_informer_index(c->nodes, keys_of_node, NULL, &c->nodes_by_address, err));
	controller_watch(c->requests, &c->watch, controller_enqueue, base);
	controller_watch(c->nodes, &c->node_watch, on_node, c);
	return SP_OK;
}

/* A real cluster may have an approver of its own. */
const controller_type controller_serving_approve = {.name = "kubelet-serving-approver",
						    .size_bytes = sizeof(approver),
						    .n_workers = 1,
						    .off_by_default = true,
						    .open = open_approver,
						    .sync = sync_request};
