/* SPDX-License-Identifier: Apache-2.0 */
/* /runningpods/: what the runtime runs, as pods. U: kubernetes pkg/kubelet/server/server.go
 * (getRunningPods), pkg/kubelet/container/runtime.go (ToAPIPod). */
#include "base/json_out.h"
#include "node/serve_int.h"

#define LIST_BYTES_MAX ((size_t)64 << 20)

enum { BOXES, CONTAINERS, CALLS };

/* Those of one sandbox; none at all is null. */
static void put_containers(sp_jout *j, const sp_cri_list_containers_response *l, sp_str box)
{
	size_t n = 0;
	sp_jout_key(j, SP_STR("containers"));
	for (size_t i = 0; i < l->containers.n; i++) {
		const sp_cri_container *c = &l->containers.at[i];
		if (!sp_str_eq(c->pod_sandbox_id, box) || c->metadata == NULL || c->image == NULL)
			continue;
		if (n++ == 0)
			sp_jout_open(j, '[');
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("name"), c->metadata->name);
		sp_jout_member_str(j, SP_STR("image"), c->image->image);
		sp_jout_member_open(j, SP_STR("resources"), '{');
		sp_jout_close(j, '}');
		sp_jout_close(j, '}');
	}
	if (n > 0)
		sp_jout_close(j, ']');
	else
		sp_jout_raw(j, SP_STR("null"));
}

static void put_pod(sp_jout *j, const sp_cri_pod_sandbox *box, const sp_cri_list_containers_response *l)
{
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("name"), box->metadata->name);
	sp_jout_member_str(j, SP_STR("namespace"), box->metadata->namespace);
	sp_jout_member_str(j, SP_STR("uid"), box->metadata->uid);
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("spec"), '{');
	put_containers(j, l, box->id);
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("status"), '{');
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

static void on_lists(node_batch *b)
{
	node_request *r = b->arg;
	const sp_cri_list_pod_sandbox_response *boxes = node_scrape_answer(b, BOXES);
	const sp_cri_list_containers_response *containers = node_scrape_answer(b, CONTAINERS);
	if (boxes == NULL || containers == NULL) {
		const node_batch_item *bad = node_batch_failed(b);
		node_answer(r, 500, SP_FMT, SP_ARG(bad->message));
		return;
	}
	SP_AUTO_BUF out;
	sp_buf_init(&out, LIST_BYTES_MAX);
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("PodList"));
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_close(&j, '}');
	sp_jout_member_open(&j, SP_STR("items"), '[');
	for (size_t i = 0; i < boxes->items.n; i++) {
		if (boxes->items.at[i].metadata != NULL)
			put_pod(&j, &boxes->items.at[i], containers);
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	node_answer_json(r, &out);
}

void node_serve_running(node_request *r)
{
	sp_cri_pod_sandbox_state_value ready = {.state = SP_CRI_SANDBOX_READY};
	sp_cri_container_state_value running = {.state = SP_CRI_CONTAINER_RUNNING};
	sp_cri_pod_sandbox_filter of_boxes = {.state = &ready};
	sp_cri_container_filter of_containers = {.state = &running};
	const sp_cri_list_pod_sandbox_request boxes = {.filter = &of_boxes};
	const sp_cri_list_containers_request containers = {.filter = &of_containers};
	node_scrape *s = node_scrape_begin(r, CALLS, on_lists);
	if (s == NULL)
		return;
	node_batch_add(&s->batch, SP_CRI_LIST_POD_SANDBOX, &boxes, NODE_CALL_TIMEOUT_NS);
	node_batch_add(&s->batch, SP_CRI_LIST_CONTAINERS, &containers, NODE_CALL_TIMEOUT_NS);
}
