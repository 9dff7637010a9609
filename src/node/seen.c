/* SPDX-License-Identifier: Apache-2.0 */
#include "node/seen.h"

#include <stdlib.h>

#include "base/num.h"

sp_str node_pair_get(const sp_pb_pair *at, size_t n, const char *key)
{
	sp_str want = sp_str_c(key);
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(at[i].key, want))
			return at[i].value;
	}
	return (sp_str){NULL, 0};
}

static bool hex_of(sp_str text, uint64_t *ret)
{
	uint64_t v = 0;
	if (text.len == 0 || text.len > 16)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		unsigned digit;
		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		else
			return false;
		v = v << 4 | digit;
	}
	*ret = v;
	return true;
}

/* Room for one more: arrays double. */
static void *grow(sp_arena *a, void *old, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return old;
	size_t want = *cap == 0 ? 8 : *cap * 2;
	void *now = sp_arena_try_grow(a, old, *cap * size, want * size);
	if (now != NULL)
		*cap = want;
	return now;
}

static node_state state_of(int32_t cri)
{
	static const node_state states[] = {[SP_CRI_CONTAINER_CREATED] = NODE_CREATED,
					    [SP_CRI_CONTAINER_RUNNING] = NODE_RUNNING,
					    [SP_CRI_CONTAINER_EXITED] = NODE_EXITED,
					    [SP_CRI_CONTAINER_UNKNOWN] = NODE_UNKNOWN};
	return cri >= 0 && (size_t)cri < SP_LEN(states) ? states[cri] : NODE_UNKNOWN;
}

static sp_str message_file_of(const sp_cri_container_status *c)
{
	sp_str path = node_pair_get(c->annotations.at, c->annotations.n, NODE_NOTE_MESSAGE_PATH);
	for (size_t i = 0; i < c->mounts.n && path.len != 0; i++) {
		if (sp_str_eq(c->mounts.at[i].container_path, path))
			return c->mounts.at[i].host_path;
	}
	return (sp_str){NULL, 0};
}

/* U: toKubeContainerResources. */
static node_amounts reported(const sp_cri_container_status *c)
{
	const sp_cri_linux_container_resources *l = c->resources == NULL ? NULL : c->resources->linux_;
	node_amounts r = {0};
	if (l == NULL)
		return r;
	if (l->cpu_period > 0 && l->cpu_quota > 0 && l->cpu_quota <= INT64_MAX / 1000)
		r.cpu_limit = l->cpu_quota * 1000 / l->cpu_period;
	if (l->cpu_shares >= 2 && l->cpu_shares <= INT32_MAX)
		r.cpu_request = (l->cpu_shares * 1000 + 1023) / 1024;
	r.memory_limit = SP_MAX(0, l->memory_limit_in_bytes);
	return r;
}

sp_code node_seen_add_container(node_seen *s, sp_arena *a, const sp_cri_container_status *c,
				sp_str sandbox_id, sp_err *err)
{
	node_seen_container *at = grow(a, s->containers, s->n_containers, &s->cap_containers, sizeof *at);
	if (at == NULL)
		return sp_fail(err, SP_ENOMEM, "too many containers in one pod");
	s->containers = at;
	at = &s->containers[s->n_containers++];
	*at = (node_seen_container){
		.id = c->id,
		.sandbox_id = sandbox_id,
		.name = c->metadata == NULL ? (sp_str){NULL, 0} : c->metadata->name,
		.attempt = c->metadata == NULL ? 0 : c->metadata->attempt,
		.image = c->image == NULL ? (sp_str){NULL, 0} : c->image->image,
		.image_ref = c->image_ref,
		.image_id = c->image_id,
		.reason = c->reason,
		.message = c->message,
		.log_path = c->log_path,
		.state = state_of(c->state),
		.created_ns = c->created_at,
		.started_ns = c->started_at,
		.finished_ns = c->finished_at,
		.exit_code = c->exit_code,
		.reported = reported(c),
		.message_file = message_file_of(c),
		.falls_back_to_logs = sp_str_eq(
			node_pair_get(c->annotations.at, c->annotations.n, NODE_NOTE_MESSAGE_POLICY),
			SP_STR("FallbackToLogsOnError")),
	};
	uint64_t restarts;
	if (sp_parse_u64(node_pair_get(c->annotations.at, c->annotations.n, NODE_NOTE_RESTARTS), 0,
			 UINT32_MAX, &restarts, NULL) == SP_OK)
		at->restarts = (uint32_t)restarts;
	at->has_hash = hex_of(node_pair_get(c->annotations.at, c->annotations.n, NODE_NOTE_HASH), &at->hash);
	if (c->user != NULL && c->user->linux_ != NULL) {
		at->has_user = true;
		at->user_uid = c->user->linux_->uid;
		at->user_gid = c->user->linux_->gid;
		at->groups = c->user->linux_->supplemental_groups.at;
		at->n_groups = c->user->linux_->supplemental_groups.n;
	}
	return SP_OK;
}

static sp_code sandbox_ips(node_seen_sandbox *to, sp_arena *a, const sp_cri_pod_sandbox_network_status *net,
			   sp_err *err)
{
	if (net == NULL || net->ip.len == 0)
		return SP_OK;
	sp_str *ips = sp_try_new(a, sp_str, net->additional_ips.n + 1);
	if (ips == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the addresses of a pod");
	ips[to->n_ips++] = net->ip;
	for (size_t i = 0; i < net->additional_ips.n; i++)
		ips[to->n_ips++] = net->additional_ips.at[i].ip;
	to->ips = ips;
	return SP_OK;
}

sp_code node_seen_add_sandbox(node_seen *s, sp_arena *a, const sp_cri_pod_sandbox_status *b, sp_err *err)
{
	node_seen_sandbox *at = grow(a, s->sandboxes, s->n_sandboxes, &s->cap_sandboxes, sizeof *at);
	if (at == NULL)
		return sp_fail(err, SP_ENOMEM, "too many sandboxes of one pod");
	s->sandboxes = at;
	at = &s->sandboxes[s->n_sandboxes++];
	const sp_cri_namespace *ns = b->linux_ == NULL ? NULL : b->linux_->namespaces;
	*at = (node_seen_sandbox){
		.id = b->id,
		.ready = b->state == SP_CRI_SANDBOX_READY,
		.attempt = b->metadata == NULL ? 0 : b->metadata->attempt,
		.created_ns = b->created_at,
		.host_network =
			ns != NULL && ns->options != NULL && ns->options->network == SP_CRI_NAMESPACE_NODE,
	};
	return sandbox_ips(at, a, b->network, err);
}

static int by_age(int64_t a_ns, int64_t b_ns, uint32_t a_attempt, uint32_t b_attempt)
{
	if (a_ns != b_ns)
		return a_ns > b_ns ? -1 : 1;
	return a_attempt > b_attempt ? -1 : a_attempt < b_attempt;
}
static int compare_containers(const void *a, const void *b)
{
	const node_seen_container *x = a, *y = b;
	return by_age(x->created_ns, y->created_ns, x->attempt, y->attempt);
}
static int compare_sandboxes(const void *a, const void *b)
{
	const node_seen_sandbox *x = a, *y = b;
	return by_age(x->created_ns, y->created_ns, x->attempt, y->attempt);
}

void node_seen_sort(node_seen *s)
{
	if (s->n_containers > 1)
		qsort(s->containers, s->n_containers, sizeof *s->containers, compare_containers);
	if (s->n_sandboxes > 1)
		qsort(s->sandboxes, s->n_sandboxes, sizeof *s->sandboxes, compare_sandboxes);
}

const node_seen_container *node_seen_newest(const node_seen *s, sp_str name)
{
	for (size_t i = 0; i < s->n_containers; i++) {
		if (sp_str_eq(s->containers[i].name, name))
			return &s->containers[i];
	}
	return NULL;
}

bool node_seen_any_running(const node_seen *s)
{
	for (size_t i = 0; i < s->n_containers; i++) {
		if (s->containers[i].state == NODE_RUNNING)
			return true;
	}
	return false;
}
