/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at a volume: what has come of what was begun at each of its nodes, then one more thing to begin.
 * Detaching stands first, so that what is exclusive can move. U: kubernetes
 * pkg/controller/volume/attachdetach/reconciler, pkg/volume/util/operationexecutor.
 */
#include "base/log.h"
#include "controllers/attach_int.h"

#define BODY_BYTES_MAX ((size_t)1 << 16)

typedef struct place {
	att_place *p;
	att_facts facts;
	sp_str error; /* of the attacher */
} place;

typedef struct run {
	attach *t;
	sp_job *job;
	sp_str name;
	att_volume *volume;
	att_wanted wanted;
	place *places;
	size_t n;
	place *at; /* where something is being begun */
	uint64_t again_ns;
	sp_call call;
} run;

/* ---- what is known ---- */

static sp_str text_at(yyjson_val *v, const char *key)
{
	return sp_json_str(sp_json_last(v, sp_str_c(key)));
}

static bool wants(const run *x, sp_str node)
{
	for (size_t i = 0; i < x->wanted.n; i++) {
		if (sp_str_eq(x->wanted.items[i].node, node))
			return true;
	}
	return false;
}

static bool has_item(sp_vlist list, const char *member, sp_str value)
{
	SP_VLIST_FOREACH(v, list)
	{
		if (sp_str_eq(text_at(v, member), value))
			return true;
	}
	return false;
}

static bool is_ready(sp_vlist conditions)
{
	SP_VLIST_FOREACH(v, conditions)
	{
		if (sp_str_eq(text_at(v, "type"), SP_STR("Ready")))
			return sp_str_eq(text_at(v, "status"), SP_STR("True"));
	}
	return false;
}

static void learn_node(run *x, place *at)
{
	att_node_view v = {.taints = {0}};
	att_facts *f = &at->facts;
	bool wanted = wants(x, at->p->node->name);
	f->has_node = att_node_read(x->t, x->job->arena, at->p->node->name, &v);
	bool managed = f->has_node && sp_vmap_str(v.annotations, ATT_MANAGED).ptr != NULL;
	f->is_wanted = wanted && managed;
	f->is_kept = wanted && !managed;
	if (!f->has_node)
		return;
	f->node_is_ready = is_ready(v.conditions);
	f->node_is_out = has_item(v.taints, "key", SP_STR("node.kubernetes.io/out-of-service"));
	f->is_listed = att_node_lists(&v, true, x->name);
	f->is_in_use = att_node_lists(&v, false, x->name);
}

static void learn_attachment(run *x, place *at)
{
	att_attachment_view v;
	att_facts *f = &at->facts;
	if (at->p->attachment[0] == '\0') {
		f->has_attachment = f->is_attached = at->p->is_sure;
		return;
	}
	const sp_object *o = sp_informer_get(x->t->attachments, sp_str_c(at->p->attachment));
	if (o == NULL || ctl_hold(x->job->arena, o) == NULL ||
	    sp_view(x->job->arena, o->json, att_attachment_desc, &v, NULL) != SP_OK)
		return;
	f->has_attachment = true;
	f->is_attached = v.attached;
	f->is_going = v.deleted.len > 0;
	f->attach_failed = v.attach_error != NULL;
	f->detach_failed = v.detach_error != NULL;
	at->error = text_at(at->p->op == ATT_DETACHING ? v.detach_error : v.attach_error, "message");
}

/* Every node that somebody wants it at has a place. */
static sp_code learn(run *x, sp_err *err)
{
	SP_TRY(att_read_wanted(x->t, x->job->arena, x->name, &x->wanted, err));
	for (size_t i = 0; i < x->wanted.n; i++) {
		if (att_place_get(&x->t->memory, x->name, x->wanted.items[i].node) == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for a volume");
	}
	x->volume = att_volume_find(&x->t->memory, x->name);
	if (x->volume == NULL)
		return SP_OK;
	size_t n = 0;
	SP_LIST_FOREACH (l, &x->volume->places)
		n++;
	x->places = sp_try_new(x->job->arena, place, n);
	if (x->places == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a volume's nodes");
	SP_LIST_FOREACH (l, &x->volume->places) {
		place *at = &x->places[x->n++];
		*at = (place){.p = ATT_PLACE_OF_VOLUME(l),
			      .facts = {.now_ns = sp_now_ns(x->t->base.world),
					.never_force = x->t->base.config->never_force_detach}};
		learn_node(x, at);
		learn_attachment(x, at);
	}
	return SP_OK;
}

/* ---- what is told ---- */

static att_pause *pause_of(run *x, const place *at)
{
	return x->wanted.name.is_shared ? &at->p->pause : &x->volume->pause;
}

static void tell(run *x, const place *at, bool is_warning, const char *what, sp_str more)
{
	for (size_t i = 0; i < x->wanted.n; i++) {
		const att_want *w = &x->wanted.items[i];
		if (!sp_str_eq(w->node, at->p->node->name))
			continue;
		const sp_event_ref about = ctl_event_ref(w->pod, "v1", "Pod");
		sp_events_emitf(x->t->base.events, &about, is_warning,
				is_warning ? "FailedAttachVolume" : "SuccessfulAttachVolume",
				"%s for volume \"" SP_FMT "\" " SP_FMT, what, SP_ARG(x->wanted.title),
				SP_ARG(more));
	}
}

static void fail_attach(run *x, const place *at, sp_str why)
{
	sp_str more = SP_CONCAT(x->job->arena, SP_STR(": "), why);
	att_pause_fail(pause_of(x, at), false, at->facts.now_ns);
	tell(x, at, true, "AttachVolume.Attach failed", more);
	sp_log(x->t->base.log, SP_LOG_WARN, "volume not attached", SP_KS("volume", x->name),
	       SP_KS("node", at->p->node->name), SP_KS("error", why));
}

/*
 * When the attacher failed nobody knows whether the volume is still there, and it no longer keeps others
 * away. When it was not even asked (the node uses it, the server does not answer) it does: upstream lets go
 * here too.
 */
static void fail_detach(run *x, const place *at, sp_str why)
{
	att_pause_fail(pause_of(x, at), true, at->facts.now_ns);
	sp_log(x->t->base.log, SP_LOG_WARN, "volume not detached", SP_KS("volume", x->name),
	       SP_KS("node", at->p->node->name), SP_KS("error", why));
}

static void on_attached(run *x, const place *at)
{
	*pause_of(x, at) = (att_pause){0};
	tell(x, at, false, "AttachVolume.Attach succeeded", SP_STR(""));
	sp_log(x->t->base.log, SP_LOG_INFO, "volume attached", SP_KS("volume", x->name),
	       SP_KS("node", at->p->node->name));
}

static sp_str late_text(run *x)
{
	return sp_arena_printf(
		x->job->arena,
		"timed out waiting for external-attacher of " SP_FMT " CSI driver to attach volume " SP_FMT,
		SP_ARG(x->wanted.name.driver), SP_ARG(vol_name_handle(x->job->arena, &x->wanted.name)));
}

static void settle(run *x, place *at)
{
	att_news news = att_settle(at->p, &at->facts);
	switch (news) {
	case ATT_NO_NEWS:
		return;
	case ATT_ATTACHED:
		on_attached(x, at);
		break;
	case ATT_ATTACH_FAILED:
		fail_attach(x, at,
			    at->facts.is_going ? SP_STR("volume attachment is being deleted") : at->error);
		break;
	case ATT_ATTACH_LATE:
		fail_attach(x, at, late_text(x));
		break;
	case ATT_DETACHED:
		*pause_of(x, at) = (att_pause){0};
		sp_log(x->t->base.log, SP_LOG_INFO, "volume detached", SP_KS("volume", x->name),
		       SP_KS("node", at->p->node->name));
		break;
	case ATT_DETACH_FAILED:
		fail_detach(x, at, at->error.len > 0 ? at->error : SP_STR("the attacher does not answer"));
		break;
	case ATT_LOST:
		break;
	}
	att_enqueue(x->t, ATT_NODE_KEY, at->p->node->name);
}

/* ---- the multi-attach error ---- */

/* Who has it elsewhere, for a pod of that namespace: names of its own, the number of the others. */
static sp_str users_text(run *x, const place *at, sp_str ns)
{
	sp_arena *a = x->job->arena;
	sp_str names = SP_STR("");
	size_t n_others = 0;
	for (size_t i = 0; i < x->wanted.n; i++) {
		const att_want *w = &x->wanted.items[i];
		if (sp_str_eq(w->node, at->p->node->name))
			continue;
		if (!sp_str_eq(w->pod->ns, ns))
			n_others++;
		else
			names = SP_CONCAT(a, names, names.len > 0 ? SP_STR(", ") : SP_STR(""), w->pod->name);
	}
	if (names.len == 0 && n_others == 0)
		return SP_STR("Volume is already exclusively attached to one node and can't be attached to "
			      "another");
	if (names.len == 0)
		return sp_arena_printf(a, "Volume is already used by %zu pod(s) in different namespaces",
				       n_others);
	if (n_others == 0)
		return SP_CONCAT(a, SP_STR("Volume is already used by pod(s) "), names);
	return sp_arena_printf(
		a, "Volume is already used by pod(s) " SP_FMT " and %zu pod(s) in different namespaces",
		SP_ARG(names), n_others);
}

static void tell_taken(run *x, const place *at)
{
	if (at->p->told_taken)
		return;
	at->p->told_taken = true;
	for (size_t i = 0; i < x->wanted.n; i++) {
		const att_want *w = &x->wanted.items[i];
		if (!sp_str_eq(w->node, at->p->node->name))
			continue;
		const sp_event_ref about = ctl_event_ref(w->pod, "v1", "Pod");
		sp_events_emitf(x->t->base.events, &about, true, "FailedAttachVolume",
				"Multi-Attach error for volume \"" SP_FMT "\" " SP_FMT,
				SP_ARG(x->wanted.title), SP_ARG(users_text(x, at, w->pod->ns)));
	}
}

/* It is exclusive, and busy at or attached to another node. */
static bool is_busy_elsewhere(run *x, const place *at)
{
	bool busy = false, taken = false;
	if (x->wanted.name.is_shared)
		return false;
	for (size_t i = 0; i < x->n; i++) {
		const att_place *p = x->places[i].p;
		busy = busy || (p != at->p && p->op != ATT_IDLE);
		taken = taken || (p != at->p && p->is_sure);
	}
	if (taken && !busy && !at->p->is_sure && at->p->op == ATT_IDLE)
		tell_taken(x, at);
	return busy || taken;
}

/* ---- attaching ---- */

static void begin_op(run *x, att_op op)
{
	att_place *p = x->at->p;
	p->op = op;
	p->op_since_ns = sp_now_ns(x->t->base.world);
	p->op_seen = false;
	sp_job_again(x->job, 0);
}

static void on_created(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	if (a->code == SP_OK || a->code == SP_EEXISTS) {
		begin_op(x, ATT_ATTACHING);
		return;
	}
	fail_attach(x, x->at,
		    SP_CONCAT(x->job->arena, SP_STR("kubernetes.io/csi: attacher.Attach failed: "),
			      a->err != NULL && a->message.len == 0 ? sp_str_c(a->err->msg) : a->message));
	sp_job_again(x->job, 1);
}

static sp_code write_attachment(run *x, sp_buf *out)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("name"), sp_str_c(x->at->p->attachment));
	sp_jout_close(&j, '}');
	sp_jout_member_open(&j, SP_STR("spec"), '{');
	sp_jout_member_str(&j, SP_STR("attacher"), x->wanted.name.driver);
	sp_jout_member_str(&j, SP_STR("nodeName"), x->at->p->node->name);
	sp_jout_member_open(&j, SP_STR("source"), '{');
	if (x->wanted.is_inline)
		vol_name_write_inline(&j, x->job->arena, &x->wanted.name);
	else
		sp_jout_member_str(&j, SP_STR("persistentVolumeName"), x->wanted.title);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

static void begin_attach(run *x)
{
	att_place *p = x->at->p;
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	if (p->attachment[0] == '\0') { /* nothing is done but to say so */
		p->is_sure = true;
		p->is_pulled = false;
		on_attached(x, x->at);
		att_enqueue(x->t, ATT_NODE_KEY, p->node->name);
		sp_job_again(x->job, 0);
		return;
	}
	if (x->at->facts.has_attachment) {
		begin_op(x, ATT_ATTACHING);
		return;
	}
	if (write_attachment(x, &body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&body));
		return;
	}
	x->call = (sp_call){.done = on_created, .arg = x};
	sp_call_start(
		x->t->base.client, &x->call,
		&(sp_ask){.verb = SP_ASK_CREATE, .gvr = SP_VOLUMEATTACHMENTS, .body = sp_buf_view(&body)});
}

/* ---- detaching ---- */

static void on_deleted(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	if (a->code == SP_OK || a->code == SP_ENOTFOUND) {
		begin_op(x, ATT_DETACHING);
		return;
	}
	fail_detach(x, x->at, sp_str_c(a->err->msg));
	sp_job_again(x->job, 1);
}

static void detach(run *x)
{
	att_place *p = x->at->p;
	if (p->attachment[0] == '\0') {
		p->is_sure = p->is_pulled = false;
		sp_job_again(x->job, 0);
		return;
	}
	x->call = (sp_call){.done = on_deleted, .arg = x};
	sp_call_start(x->t->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_DELETE,
				.gvr = SP_VOLUMEATTACHMENTS,
				.name = sp_str_c(p->attachment)});
}

/* The cache may be behind: the node itself is asked whether it uses the volume, or is told that it may. */
static void on_node(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	yyjson_val *root, *v, *status;
	size_t i, n;
	bool listed = false, used = false;
	if (a->code == SP_ENOTFOUND) {
		detach(x);
		return;
	}
	sp_code code = a->code == SP_OK ? sp_json_parse(x->job->arena, a->body, &root, NULL) : a->code;
	if (code != SP_OK) {
		fail_detach(x, x->at,
			    a->err != NULL ? sp_str_c(a->err->msg) : SP_STR("a node cannot be read"));
		sp_job_again(x->job, 1);
		return;
	}
	status = sp_json_last(root, SP_STR("status"));
	yyjson_arr_foreach(sp_json_last(status, SP_STR("volumesInUse")), i, n, v) used =
		used || sp_str_eq(sp_json_str(v), x->name);
	yyjson_arr_foreach(sp_json_last(status, SP_STR("volumesAttached")), i, n, v) listed =
		listed || sp_str_eq(text_at(v, "name"), x->name);
	if (used) {
		fail_detach(x, x->at, SP_STR("volume is still in use by node, according to Node status"));
		sp_job_again(x->job, 1);
	} else if (listed) {
		sp_job_done(x->job, SP_OK); /* the cache will say so too, and it is pulled then */
	} else {
		detach(x);
	}
}

static void begin_detach(run *x, bool ask_node)
{
	if (!ask_node) {
		sp_log(x->t->base.log, SP_LOG_INFO, "volume detached by force", SP_KS("volume", x->name),
		       SP_KS("node", x->at->p->node->name));
		detach(x);
		return;
	}
	x->call = (sp_call){.done = on_node, .arg = x};
	sp_call_start(x->t->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_GET, .gvr = SP_NODES, .name = x->at->p->node->name});
}

/* ---- a look ---- */

/* True: the job goes on there. */
static bool look_unwanted(run *x, place *at)
{
	if (at->p->op == ATT_ATTACHING) /* whoever waited for it is gone */
		at->p->op = ATT_IDLE;
	att_step step = att_decide_detach(at->p, pause_of(x, at), &at->facts, &x->again_ns);
	if (step == ATT_PULL) {
		at->p->is_pulled = true;
		att_enqueue(x->t, ATT_NODE_KEY, at->p->node->name);
	}
	if (step != ATT_DETACH && step != ATT_DETACH_FORCE)
		return false;
	x->at = at;
	begin_detach(x, step == ATT_DETACH);
	return true;
}

static bool look_wanted(run *x, place *at)
{
	att_place *p = at->p;
	if (p->is_sure && p->is_pulled) {
		p->is_pulled = false;
		att_enqueue(x->t, ATT_NODE_KEY, p->node->name);
	}
	if (!att_may_attach(p, pause_of(x, at), &at->facts, is_busy_elsewhere(x, at), &x->again_ns))
		return false;
	x->at = at;
	begin_attach(x);
	return true;
}

static bool is_over(const place *at)
{
	const att_place *p = at->p;
	return !at->facts.is_wanted && p->op == ATT_IDLE && !p->is_sure && !at->facts.has_attachment &&
	       !at->facts.is_listed;
}

static void look_later(run *x)
{
	for (size_t i = 0; i < x->n; i++) {
		const att_place *p = x->places[i].p;
		uint64_t left = p->op_since_ns + ATT_OP_NS - x->places[i].facts.now_ns;
		if (p->op != ATT_IDLE && (x->again_ns == 0 || left < x->again_ns))
			x->again_ns = left;
	}
}

static void end(run *x)
{
	uint64_t again_ns;
	look_later(x);
	again_ns = x->again_ns;
	for (size_t i = 0; i < x->n; i++) {
		if (is_over(&x->places[i]))
			att_place_drop(&x->t->memory, x->places[i].p);
	}
	if (again_ns > 0)
		sp_job_again(x->job, again_ns);
	else
		sp_job_done(x->job, SP_OK);
}

void att_sync_volume(attach *t, sp_job *job, sp_str name)
{
	sp_err err = {0};
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.t = t, .job = job, .name = name};
	sp_code code = learn(x, &err);
	if (code != SP_OK) {
		sp_log(t->base.log, SP_LOG_WARN, "volume: trying again", SP_KS("volume", name), SP_KE(&err));
		sp_job_done(job, code);
		return;
	}
	for (size_t i = 0; i < x->n; i++)
		settle(x, &x->places[i]);
	for (size_t i = 0; i < x->n; i++) {
		place *at = &x->places[i];
		if (!at->facts.is_wanted && !at->facts.is_kept && look_unwanted(x, at))
			return;
	}
	for (size_t i = 0; i < x->n; i++) {
		if (x->places[i].facts.is_wanted && look_wanted(x, &x->places[i]))
			return;
	}
	end(x);
}
