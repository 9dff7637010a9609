/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fake_cri.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/num.h"
#include "node/batch.h"
#include "node/seen.h"

#define BYTES_MAX ((size_t)16 << 20)
#define MS UINT64_C(1000000)

typedef struct box {
	sp_list node;
	sp_arena arena;
	const sp_cri_run_pod_sandbox_request *made;
	char id[24], ip[24];
	bool ready, stopped;
	int64_t created_ns;
} box;

typedef struct container {
	sp_list node;
	sp_arena arena;
	fake_cri *cri;
	box *box;
	const sp_cri_create_container_request *made;
	char id[24];
	int32_t state, exit_code;
	int64_t created_ns, started_ns, finished_ns;
	bool was_started;
	sp_timer timer; /* its own end, or that of its grace */
} container;

typedef struct flight {
	sp_list node;
	fake_cri *cri;
	sp_cri_call *call; /* NULL: cancelled, and carried out none the less */
	sp_cri_method method;
	sp_arena arena;
	const void *request;
	sp_timer timer;
	bool fails_after;
	container *stops; /* waits for its end */
} flight;

static fake_cri *of(sp_cri *c)
{
	return SP_CONTAINER_OF(c, fake_cri, base);
}
static int64_t now(const fake_cri *f)
{
	return sp_wall_ns(f->world);
}

static box *find_box(const fake_cri *f, sp_str id)
{
	SP_LIST_FOREACH (node, (sp_list *)(uintptr_t)&f->boxes) {
		box *b = SP_CONTAINER_OF(node, box, node);
		if (sp_str_eq(sp_str_c(b->id), id))
			return b;
	}
	return NULL;
}
static container *find_container(const fake_cri *f, sp_str id)
{
	SP_LIST_FOREACH (node, (sp_list *)(uintptr_t)&f->containers) {
		container *c = SP_CONTAINER_OF(node, container, node);
		if (sp_str_eq(sp_str_c(c->id), id))
			return c;
	}
	return NULL;
}

static bool has_labels(const sp_pb_pair *at, size_t n, const sp_pb_pair *want, size_t n_want)
{
	for (size_t i = 0; i < n_want; i++) {
		bool found = false;
		for (size_t k = 0; k < n; k++)
			found |= sp_str_eq(at[k].key, want[i].key) && sp_str_eq(at[k].value, want[i].value);
		if (!found)
			return false;
	}
	return true;
}

/* ---- what happens ---- */

static void tell(fake_cri *f, const container *c, int32_t type)
{
	sp_cri_pod_sandbox_status b = {.id = sp_str_c(c->box->id),
				       .metadata = c->box->made->config->metadata};
	sp_cri_container_event_response e = {.container_id = sp_str_c(c->id),
					     .container_event_type = type,
					     .created_at = now(f),
					     .pod_sandbox_status = &b};
	if (f->events != NULL)
		f->events->on_event(f->events, &e);
}

static void finish(flight *l, int32_t status, const char *message, const void *response)
{
	sp_cri_call *call = l->call;
	fake_cri *f = l->cri;
	if (l->fails_after && status == SP_RPC_OK) {
		status = SP_RPC_UNAVAILABLE;
		message = "the answer was lost";
		response = NULL;
	}
	sp_list_remove(&l->node);
	sp_timer_stop(f->world, &l->timer);
	if (call != NULL) {
		call->impl = NULL;
		call->done(call, status, sp_str_c(message), status == SP_RPC_OK ? response : NULL);
	}
	sp_arena_done(&l->arena);
	sp_free(l);
}

static const sp_cri_empty nothing;

static void ended(container *c, int32_t code)
{
	fake_cri *f = c->cri;
	if (c->state != SP_CRI_CONTAINER_RUNNING)
		return;
	sp_timer_stop(f->world, &c->timer);
	c->state = SP_CRI_CONTAINER_EXITED;
	c->exit_code = code;
	c->finished_ns = now(f);
	SP_LIST_FOREACH (node, &f->flights) {
		flight *l = SP_CONTAINER_OF(node, flight, node);
		if (l->stops == c) {
			l->stops = NULL;
			sp_timer_start(f->world, &l->timer, 0, l->timer.fn);
		}
	}
	tell(f, c, SP_CRI_EVENT_STOPPED);
}

static void on_own_end(sp_timer *t)
{
	container *c = t->arg;
	uint64_t code = 0;
	if (c->made->config->command.n > 1)
		(void)!sp_parse_u64(c->made->config->command.at[1], 0, 255, &code, NULL);
	ended(c, (int32_t)code);
}
static void on_killed(sp_timer *t)
{
	ended(t->arg, 137);
}

static bool says(const container *c, const char *word)
{
	return c->made->config->command.n > 0 && sp_str_eq(c->made->config->command.at[0], sp_str_c(word));
}

static void container_free(container *c)
{
	sp_timer_stop(c->cri->world, &c->timer);
	sp_list_remove(&c->node);
	sp_arena_done(&c->arena);
	sp_free(c);
}

/* ---- calls ---- */

static void run_sandbox(flight *l)
{
	fake_cri *f = l->cri;
	box *b = SP_NEW(box);
	sp_arena_init(&b->arena, BYTES_MAX);
	b->made = node_message_copy(&b->arena, sp_cri_methods[l->method].request, l->request);
	if (b->made == NULL) {
		sp_arena_done(&b->arena);
		sp_free(b);
		finish(l, SP_RPC_INTERNAL, "no memory", NULL);
		return;
	}
	SP_LIST_FOREACH (node, &f->boxes) {
		const box *o = SP_CONTAINER_OF(node, box, node);
		if (!sp_str_eq(o->made->config->metadata->uid, b->made->config->metadata->uid))
			continue;
		if (o->ready)
			f->broken = "two sandboxes of one pod are ready";
		else if (!o->stopped)
			f->broken = "a sandbox that died was not stopped: its address is lost";
	}
	(void)snprintf(b->id, sizeof b->id, "box%llu", (unsigned long long)++f->n_made);
	(void)snprintf(b->ip, sizeof b->ip, "10.2.%llu.%llu", (unsigned long long)(f->n_made / 250 % 250),
		       (unsigned long long)(f->n_made % 250 + 1));
	b->ready = true;
	b->created_ns = now(f) + (int64_t)f->n_made;
	sp_list_init(&b->node);
	sp_list_push_back(&f->boxes, &b->node);
	finish(l, SP_RPC_OK, "", &(sp_cri_run_pod_sandbox_response){.pod_sandbox_id = sp_str_c(b->id)});
}

static void stop_sandbox(flight *l)
{
	const sp_cri_stop_pod_sandbox_request *q = l->request;
	fake_cri *f = l->cri;
	box *b = find_box(f, q->pod_sandbox_id);
	SP_LIST_FOREACH (node, &f->containers) {
		container *c = SP_CONTAINER_OF(node, container, node);
		if (c->box == b)
			ended(c, 137);
	}
	if (b != NULL) {
		b->ready = false;
		b->stopped = true;
	}
	finish(l, SP_RPC_OK, "", &nothing);
}

static void remove_sandbox(flight *l)
{
	const sp_cri_remove_pod_sandbox_request *q = l->request;
	fake_cri *f = l->cri;
	box *b = find_box(f, q->pod_sandbox_id);
	SP_LIST_FOREACH (node, &f->containers) {
		container *c = SP_CONTAINER_OF(node, container, node);
		if (c->box != b)
			continue;
		if (c->state == SP_CRI_CONTAINER_RUNNING)
			f->broken = "a sandbox was removed under a running container";
		container_free(c);
	}
	if (b != NULL) {
		sp_list_remove(&b->node);
		sp_arena_done(&b->arena);
		sp_free(b);
	}
	finish(l, SP_RPC_OK, "", &nothing);
}

static void create_container(flight *l)
{
	const sp_cri_create_container_request *q = l->request;
	fake_cri *f = l->cri;
	box *b = find_box(f, q->pod_sandbox_id);
	if (b == NULL || !b->ready) {
		finish(l, SP_RPC_NOT_FOUND, "no such sandbox", NULL);
		return;
	}
	container *c = SP_NEW(container);
	sp_arena_init(&c->arena, BYTES_MAX);
	c->made = node_message_copy(&c->arena, sp_cri_methods[l->method].request, q);
	if (c->made == NULL) {
		sp_arena_done(&c->arena);
		sp_free(c);
		finish(l, SP_RPC_INTERNAL, "no memory", NULL);
		return;
	}
	c->cri = f;
	c->box = b;
	c->timer.arg = c;
	c->created_ns = now(f) + (int64_t)++f->n_made;
	(void)snprintf(c->id, sizeof c->id, "c%llu", (unsigned long long)f->n_made);
	sp_list_init(&c->node);
	sp_list_push_back(&f->containers, &c->node);
	tell(f, c, SP_CRI_EVENT_CREATED);
	finish(l, SP_RPC_OK, "", &(sp_cri_create_container_response){.container_id = sp_str_c(c->id)});
}

static void start_container(flight *l)
{
	const sp_cri_start_container_request *q = l->request;
	fake_cri *f = l->cri;
	container *c = find_container(f, q->container_id);
	if (c == NULL || c->state != SP_CRI_CONTAINER_CREATED || !c->box->ready) {
		finish(l, SP_RPC_FAILED_PRECONDITION, "it can't be started", NULL);
		return;
	}
	SP_LIST_FOREACH (node, &f->containers) {
		const container *o = SP_CONTAINER_OF(node, container, node);
		if (o->box == c->box && o->state == SP_CRI_CONTAINER_RUNNING &&
		    sp_str_eq(o->made->config->metadata->name, c->made->config->metadata->name))
			f->broken = "one container of a pod runs twice";
	}
	c->state = SP_CRI_CONTAINER_RUNNING;
	c->was_started = true;
	c->started_ns = now(f);
	if (says(c, "exit")) {
		uint64_t ms = 0;
		if (c->made->config->command.n > 2)
			(void)!sp_parse_u64(c->made->config->command.at[2], 0, 1000000, &ms, NULL);
		sp_timer_start(f->world, &c->timer, ms * MS, on_own_end);
	}
	tell(f, c, SP_CRI_EVENT_STARTED);
	finish(l, SP_RPC_OK, "", &nothing);
}

static void stop_container(flight *l)
{
	const sp_cri_stop_container_request *q = l->request;
	container *c = find_container(l->cri, q->container_id);
	if (c == NULL || c->state != SP_CRI_CONTAINER_RUNNING) {
		finish(l, SP_RPC_OK, "", &nothing);
		return;
	}
	l->stops = c;
	if (says(c, "deaf") && q->timeout > 0)
		sp_timer_start(l->cri->world, &c->timer, (uint64_t)q->timeout * 1000 * MS, on_killed);
	else
		ended(c, q->timeout > 0 ? 143 : 137);
}

static void update_container(flight *l)
{
	const sp_cri_update_container_resources_request *q = l->request;
	container *c = find_container(l->cri, q->container_id);
	if (c == NULL || c->state != SP_CRI_CONTAINER_RUNNING) {
		finish(l, SP_RPC_NOT_FOUND, "no such container runs", NULL);
		return;
	}
	sp_cri_linux_container_resources *r = c->made->config->linux_->resources;
	/* crun takes no quota below 0 either. */
	if (q->linux_->memory_limit_in_bytes == FAKE_CRI_NO_MEMORY || q->linux_->cpu_quota < 0) {
		finish(l, SP_RPC_UNKNOWN, "no room", NULL);
		return;
	}
	r->cpu_quota = q->linux_->cpu_quota;
	r->cpu_shares = q->linux_->cpu_shares;
	r->memory_limit_in_bytes = q->linux_->memory_limit_in_bytes;
	finish(l, SP_RPC_OK, "", &nothing);
}

static void reopen_log(flight *l)
{
	const sp_cri_reopen_container_log_request *q = l->request;
	const container *c = find_container(l->cri, q->container_id);
	if (c == NULL || c->state != SP_CRI_CONTAINER_RUNNING || l->cri->keeps_logs) {
		finish(l, SP_RPC_UNKNOWN, "no", NULL);
		return;
	}
	l->cri->n_reopened++;
	if (l->cri->reopened != NULL)
		l->cri->reopened();
	finish(l, SP_RPC_OK, "", &nothing);
}

static void remove_container(flight *l)
{
	const sp_cri_remove_container_request *q = l->request;
	container *c = find_container(l->cri, q->container_id);
	if (c != NULL) {
		ended(c, 137);
		container_free(c);
	}
	finish(l, SP_RPC_OK, "", &nothing);
}

static void list_boxes(flight *l)
{
	const sp_cri_list_pod_sandbox_request *q = l->request;
	sp_cri_list_pod_sandbox_response r = {
		.items = {.at = sp_try_new(&l->arena, sp_cri_pod_sandbox, 4096)}};
	SP_LIST_FOREACH (node, &l->cri->boxes) {
		const box *b = SP_CONTAINER_OF(node, box, node);
		const sp_cri_pod_sandbox_config *c = b->made->config;
		if (r.items.at == NULL || r.items.n == 4096 ||
		    (q->filter != NULL && !has_labels(c->labels.at, c->labels.n, q->filter->label_selector.at,
						      q->filter->label_selector.n)))
			continue;
		r.items.at[r.items.n++] = (sp_cri_pod_sandbox){
			.id = sp_str_c(b->id),
			.metadata = c->metadata,
			.state = b->ready ? SP_CRI_SANDBOX_READY : SP_CRI_SANDBOX_NOTREADY,
			.created_at = b->created_ns,
			.labels = {.at = c->labels.at, .n = c->labels.n}};
	}
	finish(l, SP_RPC_OK, "", &r);
}

static void list_containers(flight *l)
{
	const sp_cri_list_containers_request *q = l->request;
	sp_cri_list_containers_response r = {
		.containers = {.at = sp_try_new(&l->arena, sp_cri_container, 4096)}};
	SP_LIST_FOREACH (node, &l->cri->containers) {
		const container *c = SP_CONTAINER_OF(node, container, node);
		const sp_cri_container_config *k = c->made->config;
		if (r.containers.at == NULL || r.containers.n == 4096 ||
		    (q->filter != NULL && !has_labels(k->labels.at, k->labels.n, q->filter->label_selector.at,
						      q->filter->label_selector.n)))
			continue;
		r.containers.at[r.containers.n++] =
			(sp_cri_container){.id = sp_str_c(c->id),
					   .pod_sandbox_id = sp_str_c(c->box->id),
					   .metadata = k->metadata,
					   .state = c->state,
					   .created_at = c->created_ns,
					   .image_ref = SP_STR("sha256:1"),
					   .image_id = SP_STR("sha256:1"),
					   .labels = {.at = k->labels.at, .n = k->labels.n}};
	}
	finish(l, SP_RPC_OK, "", &r);
}

/* MiB, as its command says. */
static uint64_t used_by(const container *c, size_t word)
{
	const sp_cri_container_config *k = c->made->config;
	uint64_t n;
	return k->command.n > word && sp_str_eq(k->command.at[0], SP_STR("run")) &&
			       sp_parse_u64(k->command.at[word], 0, 1u << 20, &n, NULL) == SP_OK
		       ? n << 20
		       : 0;
}

static void put_amount(sp_arena *a, sp_cri_uint64_value **to, uint64_t n)
{
	*to = sp_new(a, sp_cri_uint64_value, 1);
	(*to)->value = n;
}

static void list_stats(flight *l)
{
	sp_cri_list_container_stats_response r = {
		.stats = {.at = sp_new(&l->arena, sp_cri_container_stats, 512)}};
	SP_LIST_FOREACH (node, &l->cri->containers) {
		const container *c = SP_CONTAINER_OF(node, container, node);
		const sp_cri_container_config *k = c->made->config;
		if (c->state != SP_CRI_CONTAINER_RUNNING || r.stats.n == 512)
			continue;
		sp_cri_container_stats *s = &r.stats.at[r.stats.n++];
		s->attributes = sp_new(&l->arena, sp_cri_container_attributes, 1);
		*s->attributes =
			(sp_cri_container_attributes){.id = sp_str_c(c->id),
						      .metadata = k->metadata,
						      .labels = {.at = k->labels.at, .n = k->labels.n}};
		s->memory = sp_new(&l->arena, sp_cri_memory_usage, 1);
		s->writable_layer = sp_new(&l->arena, sp_cri_filesystem_usage, 1);
		put_amount(&l->arena, &s->memory->working_set_bytes, used_by(c, 1));
		put_amount(&l->arena, &s->memory->usage_bytes, used_by(c, 1));
		put_amount(&l->arena, &s->writable_layer->used_bytes, used_by(c, 2));
	}
	finish(l, SP_RPC_OK, "", &r);
}

static void box_status(flight *l)
{
	const sp_cri_pod_sandbox_status_request *q = l->request;
	const box *b = find_box(l->cri, q->pod_sandbox_id);
	if (b == NULL) {
		finish(l, SP_RPC_NOT_FOUND, "no such sandbox", NULL);
		return;
	}
	sp_cri_pod_sandbox_network_status net = {.ip = sp_str_c(b->ip)};
	sp_cri_namespace spaces = {.options = b->made->config->linux_->security_context->namespace_options};
	sp_cri_linux_pod_sandbox_status linux_ = {.namespaces = &spaces};
	sp_cri_pod_sandbox_status s = {.id = sp_str_c(b->id),
				       .metadata = b->made->config->metadata,
				       .state = b->ready ? SP_CRI_SANDBOX_READY : SP_CRI_SANDBOX_NOTREADY,
				       .created_at = b->created_ns,
				       .network = &net,
				       .linux_ = &linux_};
	finish(l, SP_RPC_OK, "", &(sp_cri_pod_sandbox_status_response){.status = &s});
}

static void container_status(flight *l)
{
	const sp_cri_container_status_request *q = l->request;
	const container *c = find_container(l->cri, q->container_id);
	if (c == NULL) {
		finish(l, SP_RPC_NOT_FOUND, "no such container", NULL);
		return;
	}
	const sp_cri_container_config *k = c->made->config;
	sp_cri_container_resources has = {.linux_ = k->linux_->resources};
	sp_cri_container_status s = {.id = sp_str_c(c->id),
				     .metadata = k->metadata,
				     .state = c->state,
				     .created_at = c->created_ns,
				     .started_at = c->started_ns,
				     .finished_at = c->finished_ns,
				     .exit_code = c->exit_code,
				     .resources = &has,
				     .image = k->image,
				     .image_ref = SP_STR("sha256:1"),
				     .mounts = {.at = k->mounts.at, .n = k->mounts.n},
				     .labels = {.at = k->labels.at, .n = k->labels.n},
				     .annotations = {.at = k->annotations.at, .n = k->annotations.n}};
	if (c->state == SP_CRI_CONTAINER_EXITED)
		s.reason = c->exit_code == 0 ? SP_STR("Completed") : SP_STR("Error");
	finish(l, SP_RPC_OK, "", &(sp_cri_container_status_response){.status = &s});
}

static void image_status(flight *l)
{
	const sp_cri_image_status_request *q = l->request;
	sp_cri_image i = {.id = SP_STR("sha256:1"), .size = 1000};
	bool none = (sp_str_starts(q->image->image, SP_STR("none")) && !l->cri->has_none) ||
		    (sp_str_starts(q->image->image, SP_STR("private")) && !l->cri->has_private);
	if (sp_str_starts(q->image->image, SP_STR("volume")))
		i.id = SP_STR("sha256:2");
	finish(l, SP_RPC_OK, "", &(sp_cri_image_status_response){.image = none ? NULL : &i});
}

/* Beside the one that every container has: two that nobody uses. */
static void list_images(flight *l)
{
	sp_cri_image at[3] = {{.id = SP_STR("sha256:1"), .size = 1000}};
	size_t n = 1;
	static const sp_str ids[] = {SP_STR_INIT("sha256:2"), SP_STR_INIT("sha256:3")};
	for (size_t i = 0; i < SP_LEN(ids); i++) {
		if ((l->cri->removed_images & 1u << i) == 0)
			at[n++] = (sp_cri_image){.id = ids[i], .size = 1000};
	}
	finish(l, SP_RPC_OK, "", &(sp_cri_list_images_response){.images = {.at = at, .n = n}});
}

static void remove_image(flight *l)
{
	const sp_cri_remove_image_request *q = l->request;
	if (sp_str_eq(q->image->image, SP_STR("sha256:2")))
		l->cri->removed_images |= 1;
	else if (sp_str_eq(q->image->image, SP_STR("sha256:3")))
		l->cri->removed_images |= 2;
	else
		l->cri->broken = "an image in use was removed";
	finish(l, SP_RPC_OK, "", &nothing);
}

static void image_fs_info(flight *l)
{
	sp_cri_filesystem_identifier id = {.mountpoint = SP_STR("/images")};
	sp_cri_filesystem_usage fs = {.fs_id = &id};
	finish(l, SP_RPC_OK, "", &(sp_cri_image_fs_info_response){.image_filesystems = {.at = &fs, .n = 1}});
}

static void pull_image(flight *l)
{
	const sp_cri_pull_image_request *q = l->request;
	l->cri->has_private |= q->auth != NULL && sp_str_eq(q->auth->username, SP_STR("u"));
	if (sp_str_starts(q->image->image, SP_STR("none")))
		finish(l, SP_RPC_NOT_FOUND, "no such image", NULL);
	else if (sp_str_starts(q->image->image, SP_STR("private")) &&
		 (q->auth == NULL || !sp_str_eq(q->auth->username, SP_STR("u"))))
		finish(l, SP_RPC_UNKNOWN, "denied", NULL);
	else
		finish(l, SP_RPC_OK, "", &(sp_cri_pull_image_response){.image_ref = SP_STR("sha256:1")});
}

static void exec_sync(flight *l)
{
	const sp_cri_exec_sync_request *q = l->request;
	fake_cri *f = l->cri;
	const container *c = find_container(f, q->container_id);
	if (c == NULL || c->state != SP_CRI_CONTAINER_RUNNING) {
		finish(l, SP_RPC_UNKNOWN, "it does not run", NULL);
		return;
	}
	bool ok = f->exec == NULL ? q->cmd.n == 0 || !sp_str_eq(q->cmd.at[0], SP_STR("fail"))
				  : f->exec(f->arg, c->box->made->config->metadata->name,
					    c->made->config->metadata->name);
	finish(l, SP_RPC_OK, "",
	       &(sp_cri_exec_sync_response){.exit_code = ok ? 0 : 1,
					    .stderr = ok ? SP_STR("") : SP_STR("no\n")});
}

static void version(flight *l)
{
	finish(l, SP_RPC_OK, "",
	       &(sp_cri_version_response){.runtime_name = SP_STR("fake"), .runtime_version = SP_STR("1")});
}

static void status(flight *l)
{
	sp_cri_runtime_condition conditions[] = {{.type = SP_STR("RuntimeReady"), .status = true},
						 {.type = SP_STR("NetworkReady"),
						  .status = !l->cri->needs_range || l->cri->range[0] != 0,
						  .reason = SP_STR("NetworkPluginNotReady"),
						  .message = SP_STR("no range")}};
	sp_cri_runtime_status s = {.conditions = {.at = conditions, .n = 2}};
	sp_cri_runtime_handler_features can = {.user_namespaces = l->cri->has_users};
	sp_cri_runtime_handler handlers[] = {{.name = SP_STR(""), .features = &can}, {.name = SP_STR("h1")}};
	finish(l, SP_RPC_OK, "",
	       &(sp_cri_status_response){.status = &s, .runtime_handlers = {.at = handlers, .n = 2}});
}

static void update_config(flight *l)
{
	const sp_cri_update_runtime_config_request *q = l->request;
	(void)snprintf(l->cri->range, sizeof l->cri->range, SP_FMT,
		       SP_ARG(q->runtime_config->network_config->pod_cidr));
	l->cri->n_ranges++;
	finish(l, SP_RPC_OK, "", NULL);
}

static const struct {
	void (*run)(flight *l);
	bool changes; /* may be made to fail */
} methods[SP_CRI_METHODS_] = {
	[SP_CRI_VERSION] = {version, false},
	[SP_CRI_STATUS] = {status, false},
	[SP_CRI_UPDATE_RUNTIME_CONFIG] = {update_config, true},
	[SP_CRI_RUN_POD_SANDBOX] = {run_sandbox, true},
	[SP_CRI_STOP_POD_SANDBOX] = {stop_sandbox, true},
	[SP_CRI_REMOVE_POD_SANDBOX] = {remove_sandbox, true},
	[SP_CRI_POD_SANDBOX_STATUS] = {box_status, true},
	[SP_CRI_LIST_POD_SANDBOX] = {list_boxes, true},
	[SP_CRI_CREATE_CONTAINER] = {create_container, true},
	[SP_CRI_START_CONTAINER] = {start_container, true},
	[SP_CRI_STOP_CONTAINER] = {stop_container, true},
	[SP_CRI_UPDATE_CONTAINER_RESOURCES] = {update_container, true},
	[SP_CRI_REOPEN_CONTAINER_LOG] = {reopen_log, true},
	[SP_CRI_REMOVE_CONTAINER] = {remove_container, true},
	[SP_CRI_LIST_CONTAINERS] = {list_containers, true},
	[SP_CRI_CONTAINER_STATUS] = {container_status, true},
	[SP_CRI_EXEC_SYNC] = {exec_sync, true},
	[SP_CRI_IMAGE_STATUS] = {image_status, true},
	[SP_CRI_PULL_IMAGE] = {pull_image, true},
	[SP_CRI_LIST_IMAGES] = {list_images, true},
	[SP_CRI_REMOVE_IMAGE] = {remove_image, true},
	[SP_CRI_IMAGE_FS_INFO] = {image_fs_info, false},
	[SP_CRI_LIST_CONTAINER_STATS] = {list_stats, true},
};

static bool strikes(fake_cri *f)
{
	return f->fail_ppm != 0 && sp_random_u64(f->world) % 1000000 < f->fail_ppm;
}

static void on_flight(sp_timer *t)
{
	flight *l = t->arg;
	if (methods[l->method].run == NULL)
		finish(l, SP_RPC_UNIMPLEMENTED, "not in this runtime", NULL);
	else if (methods[l->method].changes && strikes(l->cri))
		finish(l, SP_RPC_UNAVAILABLE, "a fault", NULL);
	else
		methods[l->method].run(l);
}

static void fake_call(sp_cri *cri, sp_cri_method method, const void *request, sp_cri_call *call)
{
	fake_cri *f = of(cri);
	flight *l = SP_NEW(flight);
	l->cri = f;
	l->call = call;
	l->method = method;
	l->timer.arg = l;
	sp_arena_init(&l->arena, BYTES_MAX);
	l->request = node_message_copy(&l->arena, sp_cri_methods[method].request, request);
	if (l->request == NULL)
		l->method = SP_CRI_CHECKPOINT_CONTAINER; /* no memory: it fails */
	l->fails_after = methods[l->method].changes && strikes(f);
	sp_list_init(&l->node);
	sp_list_push_back(&f->flights, &l->node);
	call->impl = l;
	sp_timer_start(f->world, &l->timer, f->delay_ns == 0 ? 0 : sp_random_u64(f->world) % f->delay_ns,
		       on_flight);
}

/* As a real one: what was asked may be done none the less. */
static void fake_cancel(sp_cri *cri, sp_cri_call *call)
{
	flight *l = SP_TAKE(call->impl);
	fake_cri *f = of(cri);
	if (l == NULL)
		return;
	l->call = NULL;
	if (sp_random_u64(f->world) % 2 == 0)
		return;
	sp_timer_stop(f->world, &l->timer);
	sp_list_remove(&l->node);
	sp_arena_done(&l->arena);
	sp_free(l);
}

static void fake_subscribe(sp_cri *cri, sp_cri_events *e)
{
	fake_cri *f = of(cri);
	f->events = e;
	e->impl = f;
}
static void fake_unsubscribe(sp_cri *cri, sp_cri_events *e)
{
	fake_cri *f = of(cri);
	if (e->impl == NULL)
		return;
	e->impl = NULL;
	f->events = NULL;
}
void fake_cri_end_events(fake_cri *f)
{
	sp_cri_events *e = SP_TAKE(f->events);
	if (e == NULL)
		return;
	e->impl = NULL;
	e->on_end(e, SP_RPC_UNAVAILABLE, SP_STR("gone"));
}
static void fake_free(sp_cri *cri)
{
	(void)cri;
}

void fake_cri_init(fake_cri *f, sp_world *w)
{
	*f = (fake_cri){.base = {.call = fake_call,
				 .cancel = fake_cancel,
				 .subscribe = fake_subscribe,
				 .unsubscribe = fake_unsubscribe,
				 .free = fake_free},
			.world = w,
			.delay_ns = 2 * MS};
	sp_list_init(&f->boxes);
	sp_list_init(&f->containers);
	sp_list_init(&f->flights);
}

void fake_cri_forget(fake_cri *f)
{
	SP_LIST_FOREACH (node, &f->containers)
		container_free(SP_CONTAINER_OF(node, container, node));
	SP_LIST_FOREACH (node, &f->boxes) {
		box *b = SP_CONTAINER_OF(node, box, node);
		sp_list_remove(&b->node);
		sp_arena_done(&b->arena);
		sp_free(b);
	}
}

void fake_cri_done(fake_cri *f)
{
	SP_LIST_FOREACH (node, &f->flights) {
		flight *l = SP_CONTAINER_OF(node, flight, node);
		SP_ASSERT(l->call == NULL);
		sp_timer_stop(f->world, &l->timer);
		sp_arena_done(&l->arena);
		sp_free(l);
	}
	fake_cri_forget(f);
}

size_t fake_cri_boxes(const fake_cri *f)
{
	size_t n = 0;
	for (const sp_list *l = f->boxes.next; l != &f->boxes; l = l->next)
		n++;
	return n;
}

sp_str fake_cri_handler(const fake_cri *f, const char *pod)
{
	sp_str found = SP_STR("-");
	SP_LIST_FOREACH (node, (sp_list *)(uintptr_t)&f->boxes) {
		const box *b = SP_CONTAINER_OF(node, box, node);
		if (sp_str_eq(b->made->config->metadata->name, sp_str_c(pod)))
			found = b->made->runtime_handler;
	}
	return found;
}

const sp_cri_container_config *fake_cri_container(const fake_cri *f, const char *name)
{
	const sp_cri_container_config *found = NULL;
	SP_LIST_FOREACH (node, (sp_list *)(uintptr_t)&f->containers) {
		const container *c = SP_CONTAINER_OF(node, container, node);
		if (sp_str_eq(c->made->config->metadata->name, sp_str_c(name)))
			found = c->made->config;
	}
	return found;
}

size_t fake_cri_running(const fake_cri *f)
{
	size_t n = 0;
	SP_LIST_FOREACH (node, (sp_list *)(uintptr_t)&f->containers)
		n += SP_CONTAINER_OF(node, container, node)->state == SP_CRI_CONTAINER_RUNNING;
	return n;
}

static bool is_named(const container *c, const char *pod, const char *name)
{
	return sp_str_eq(c->box->made->config->metadata->name, sp_str_c(pod)) &&
	       sp_str_eq(c->made->config->metadata->name, sp_str_c(name));
}

size_t fake_cri_starts(const fake_cri *f, const char *pod, const char *name)
{
	size_t n = 0;
	SP_LIST_FOREACH (node, (sp_list *)(uintptr_t)&f->containers) {
		const container *c = SP_CONTAINER_OF(node, container, node);
		n += c->was_started && is_named(c, pod, name);
	}
	return n;
}

void fake_cri_kill(fake_cri *f, const char *pod, const char *name)
{
	SP_LIST_FOREACH (node, &f->containers) {
		container *c = SP_CONTAINER_OF(node, container, node);
		if (is_named(c, pod, name))
			ended(c, 137);
	}
}

void fake_cri_reboot(fake_cri *f)
{
	SP_LIST_FOREACH (node, &f->boxes)
		SP_CONTAINER_OF(node, box, node)->ready = false;
	SP_LIST_FOREACH (node, &f->containers)
		ended(SP_CONTAINER_OF(node, container, node), 255);
}
