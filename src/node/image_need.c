/* SPDX-License-Identifier: Apache-2.0 */
/* An image that a container needs, its own or one of its volumes': looked at, and pulled by its policy. U:
 * kubernetes pkg/kubelet/images/image_manager.go. */
#include "base/duration.h"
#include "base/hash.h"
#include "node/node_int.h"

#define PULL_TIMEOUT_NS UINT64_C(0) /* as long as it takes: a deletion ends it */
/* Somebody else may bring the image during a pause. U: pkg/kubelet/kubelet.go backOffPeriod. */
#define LOOK_AGAIN_NS (10 * NODE_SECOND_NS)

static sp_world *world(const node_image_need *n)
{
	return n->w->agent->world;
}

/* What events of the pull are about; that the container waits is always told of itself. */
static const node_container *about(const node_image_need *n)
{
	return n->is_volume ? NULL : n->c;
}

static void fail(node_image_need *n, const char *reason, sp_str message, uint64_t retry_ns)
{
	n->done(n, reason, message, retry_ns);
}

static void fail_told(node_image_need *n, const char *reason, sp_str message)
{
	node_worker_event(n->w, n->c, true, "Failed", "Error: " SP_FMT, SP_ARG(message));
	fail(n, reason, message, NODE_RETRY_NS);
}

static void call(node_image_need *n, sp_cri_method method, const void *request, uint64_t timeout_ns,
		 void (*done)(sp_cri_call *c, int32_t status, sp_str message, const void *response))
{
	n->call = (sp_cri_call){.done = done, .arg = n, .timeout_ns = timeout_ns};
	n->w->agent->cri->call(n->w->agent->cri, method, request, &n->call);
}

static void take_image(node_image_need *n, const sp_cri_image *image)
{
	n->ref = sp_arena_try_dup(&n->w->scratch, image->id);
	n->bytes = image->size;
	/* Who is named neither way is root. U: getImageUser. */
	n->has_uid = image->uid != NULL || image->username.len == 0;
	n->uid = image->uid == NULL ? 0 : image->uid->value;
	n->user = sp_arena_try_dup(&n->w->scratch, image->username);
}

static void on_inspected_again(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_image_need *n = c->arg;
	const sp_cri_image_status_response *r = response;
	if (status != SP_RPC_OK || r->image == NULL || r->image->id.len == 0) {
		node_worker_event(n->w, about(n), true, "InspectFailed",
				  "Failed to inspect image \"" SP_FMT "\": " SP_FMT, SP_ARG(n->image),
				  SP_ARG(message));
		fail_told(n, "ImageInspectError", sp_arena_try_dup(&n->w->scratch, message));
		return;
	}
	take_image(n, r->image);
	sp_str took = sp_duration_print(
		&n->w->scratch, (int64_t)((sp_now_ns(world(n)) - n->pull_began_ns) / 1000000 * 1000000));
	node_worker_event(n->w, about(n), false, "Pulled",
			  "Successfully pulled image \"" SP_FMT "\" in " SP_FMT " (" SP_FMT
			  " including waiting). Image size: %llu bytes.",
			  SP_ARG(n->image), SP_ARG(took), SP_ARG(took), (unsigned long long)n->bytes);
	n->done(n, NULL, SP_STR(""), 0);
}

static void inspect(node_image_need *n,
		    void (*done)(sp_cri_call *c, int32_t status, sp_str message, const void *response))
{
	sp_cri_image_spec image = {.image = n->image, .user_specified_image = n->image};
	call(n, SP_CRI_IMAGE_STATUS, &(sp_cri_image_status_request){.image = &image}, NODE_CALL_TIMEOUT_NS,
	     done);
}

/* A container remembers the pauses of one image at a time: of the one that failed last. */
static bool is_remembered(const node_image_need *n, const node_memo *m)
{
	return m->pull_image == sp_fnv1a64(n->image);
}

static void pull_failed(node_image_need *n, sp_str text)
{
	node_memo *m = node_worker_memo(n->w, n->c->name);
	int64_t now = sp_wall_ns(world(n));
	(void)snprintf(m->pull_error, sizeof m->pull_error, SP_FMT, SP_ARG(text));
	node_worker_event(n->w, about(n), true, "Failed", "Failed to pull image \"" SP_FMT "\": " SP_FMT,
			  SP_ARG(n->image), SP_ARG(text));
	node_worker_event(n->w, n->c, true, "Failed", "Error: ErrImagePull");
	if (!is_remembered(n, m))
		m->pull = (node_backoff){0};
	m->pull_image = sp_fnv1a64(n->image);
	node_backoff_next(&m->pull, now, now);
	m->pull_failed_ns = now;
	/* Half way to the next try its status says that it waits. */
	fail(n, "ErrImagePull", text, SP_MIN(m->pull.delay_ns / 2, LOOK_AGAIN_NS));
}

static void pull_next(node_image_need *n);

static void on_pulled(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_image_need *n = c->arg;
	sp_arena *a = &n->w->scratch;
	(void)response;
	n->is_pulling = false;
	if (status == SP_RPC_OK) {
		node_memo *m = node_worker_memo(n->w, n->c->name);
		if (is_remembered(n, m))
			m->pull = (node_backoff){0};
		inspect(n, on_inspected_again);
		return;
	}
	sp_str text = sp_arena_printf(a, "rpc error: code = %s desc = " SP_FMT, node_rpc_code_name(status),
				      SP_ARG(message));
	n->pull_errors = n->pull_errors.len == 0 ? text : SP_CONCAT(a, n->pull_errors, SP_STR(", "), text);
	if (n->next_auth < n->auths.n)
		pull_next(n);
	else if (n->next_auth > 1)
		pull_failed(n, SP_CONCAT(a, SP_STR("["), n->pull_errors, SP_STR("]")));
	else
		pull_failed(n, n->pull_errors);
}

/* With the next credentials, or without any when there are none. */
static void pull_next(node_image_need *n)
{
	sp_cri_image_spec image = {.image = n->image, .user_specified_image = n->image};
	sp_cri_auth_config *auth = n->auths.n == 0 ? NULL : &n->auths.at[n->next_auth++];
	n->is_pulling = true;
	call(n, SP_CRI_PULL_IMAGE, &(sp_cri_pull_image_request){.image = &image, .auth = auth},
	     PULL_TIMEOUT_NS, on_pulled);
}

static void pull(node_image_need *n)
{
	const node_memo *m = node_worker_memo(n->w, n->c->name);
	uint64_t left = is_remembered(n, m)
				? node_backoff_left(&m->pull, m->pull_failed_ns, sp_wall_ns(world(n)))
				: 0;
	if (left != 0) {
		sp_str text = sp_arena_printf(&n->w->scratch,
					      "Back-off pulling image \"" SP_FMT "\": ErrImagePull: %s",
					      SP_ARG(n->image), m->pull_error);
		node_worker_event(n->w, about(n), false, "BackOff", "Back-off pulling image \"" SP_FMT "\"",
				  SP_ARG(n->image));
		node_worker_event(n->w, n->c, true, "Failed", "Error: ImagePullBackOff");
		fail(n, "ImagePullBackOff", text, SP_MIN(left, LOOK_AGAIN_NS));
		return;
	}
	node_worker_event(n->w, about(n), false, "Pulling", "Pulling image \"" SP_FMT "\"", SP_ARG(n->image));
	n->pull_began_ns = sp_now_ns(world(n));
	pull_next(n);
}

static void on_inspected(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_image_need *n = c->arg;
	const sp_cri_image_status_response *r = response;
	sp_str policy = n->policy, image = n->image;
	if (status != SP_RPC_OK) {
		node_worker_event(n->w, about(n), true, "InspectFailed",
				  "Failed to inspect image \"" SP_FMT "\": " SP_FMT, SP_ARG(image),
				  SP_ARG(message));
		fail_told(n, status == SP_RPC_INVALID_ARGUMENT ? "InvalidImageName" : "ImageInspectError",
			  sp_arena_try_dup(&n->w->scratch, message));
		return;
	}
	bool present = r->image != NULL && r->image->id.len != 0;
	if (present)
		take_image(n, r->image);
	if (sp_str_eq(policy, SP_STR("Never")) && !present) {
		sp_str text = sp_arena_printf(&n->w->scratch,
					      "Container image \"" SP_FMT
					      "\" is not present with pull policy of Never",
					      SP_ARG(image));
		node_worker_event(n->w, about(n), true, "ErrImageNeverPull", SP_FMT, SP_ARG(text));
		node_worker_event(n->w, n->c, true, "Failed", "Error: ErrImageNeverPull");
		fail(n, "ErrImageNeverPull", text, NODE_RETRY_NS);
		return;
	}
	if (present && !sp_str_eq(policy, SP_STR("Always"))) {
		node_worker_event(n->w, about(n), false, "Pulled",
				  "Container image \"" SP_FMT
				  "\" already present on machine and can be accessed by the pod",
				  SP_ARG(image));
		n->done(n, NULL, SP_STR(""), 0);
		return;
	}
	pull(n);
}

void node_image_need_start(node_image_need *n)
{
	node_objects objects = {.get = node_refs_get, .arg = n->w->agent};
	sp_err err = {0};
	if (node_auths_find(n->w->pod, &objects, n->image, &n->w->scratch, &n->auths, &err) != SP_OK) {
		fail_told(n, "ErrImagePull", sp_str_c(err.msg));
		return;
	}
	if (n->tells_missing && n->auths.missing.len > 0)
		node_worker_event(n->w, NULL, true, "FailedToRetrieveImagePullSecret",
				  "Unable to retrieve some image pull secrets (" SP_FMT
				  "); attempting to pull the image may not succeed.",
				  SP_ARG(n->auths.missing));
	inspect(n, on_inspected);
}
