/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serving certificates of kubelets. Upstream leaves their approval to whoever runs the cluster; here a node
 * gets one for the names and addresses that its Node object says are its own, and for no others: upstream's
 * rules for the signer kubernetes.io/kubelet-serving, and each name among status.addresses.
 */
#include "base/log.h"
#include "controllers/cert_requests.h"
#include "controllers/table.h"

#define KUBELET_SERVING "kubernetes.io/kubelet-serving"
#define USER_PREFIX "system:node:"

typedef struct approver {
	controller base;
	sp_informer *requests, *nodes;
	sp_informer_watch watch;
} approver;

typedef struct node_view {
	sp_vlist addresses;
} node_view;
SP_VIEW(serving_node_desc, node_view, "v1/Node", SP_V(node_view, addresses, "status.addresses"));

static bool is_own(const node_view *v, sp_str name)
{
	SP_VLIST_FOREACH(item, v->addresses)
	{
		if (sp_str_eq(sp_view_str_at(item, "address"), name))
			return true;
	}
	return false;
}

static bool are_own(const node_view *v, const sp_strs *names)
{
	for (size_t i = 0; i < names->n; i++) {
		if (!is_own(v, names->items[i]))
			return false;
	}
	return true;
}

/* What a node has not told yet it may tell soon: such a request comes again, more and more seldom. */
static sp_code check_names(const approver *c, const csr_approval *x)
{
	node_view v;
	sp_str user = x->csr.username;
	const sp_object *node =
		sp_str_take(&user, SP_STR(USER_PREFIX)) ? sp_informer_get(c->nodes, user) : NULL;
	if (node == NULL)
		return SP_ENOTFOUND;
	SP_TRY(sp_view(x->job->arena, node->json, &serving_node_desc, &v, NULL));
	return are_own(&v, &x->who.dns) && are_own(&v, &x->who.ips) ? SP_OK : SP_EFORBIDDEN;
}

static void sync_request(controller *base, sp_job *job)
{
	const approver *c = SP_CONTAINER_OF(base, approver, base);
	csr_approval *x = sp_new(job->arena, csr_approval, 1);
	*x = (csr_approval){.client = base->client, .job = job};
	if (!csr_approval_open(x, sp_informer_get(c->requests, job->key), KUBELET_SERVING,
			       csr_kubelet_serving_fault))
		return;
	if (!sp_str_eq(x->csr.username, x->who.common_name)) {
		sp_job_done(job, SP_OK);
		return;
	}
	sp_code code = check_names(c, x);
	if (code == SP_OK) {
		csr_approval_write(
			x,
			SP_STR("Auto approving kubelet serving certificate for the node's own addresses."));
		return;
	}
	sp_log(base->log, SP_LOG_DEBUG, "serving certificate: not the node's names",
	       SP_KS("name", x->object->name));
	sp_job_done(job, code);
}

static sp_code open_approver(controller *base, sp_err *err)
{
	approver *c = SP_CONTAINER_OF(base, approver, base);
	SP_TRY(controller_follow(base, csr_gvr, csr_view, &c->requests, err));
	SP_TRY(controller_follow(base, SP_NODES, &serving_node_desc, &c->nodes, err));
	controller_watch(c->requests, &c->watch, controller_enqueue, base);
	return SP_OK;
}

/* A real cluster may have an approver of its own. */
const controller_type controller_serving_approve = {.name = "kubelet-serving-approver",
						    .size_bytes = sizeof(approver),
						    .n_workers = 1,
						    .off_by_default = true,
						    .open = open_approver,
						    .sync = sync_request};
