/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the decision and the binding: the pod's claims get what was chosen for them. Volumes are given to
 * claims, claims that need a new volume get the node, then the controllers are waited for; they tell by the
 * watches. U: plugins/volumebinding/binder.go, BindPodVolumes.
 */
#include "base/alloc.h"
#include "base/json_out.h"
#include "base/num.h"
#include "scheduler/live_int.h"
#include "scheduler/plugins/volumes.h"

#define PREBIND_BYTES ((size_t)1 << 20)

typedef struct prebind_part {
	sp_str claim, claim_uid;
	uint64_t claim_revision;
	sp_str volume;       /* empty: one is made */
	uint64_t revision;   /* of what is written, as it was decided about; then as it was answered */
	bool says_so, marks; /* nothing to write; with the annotation of the binder */
} prebind_part;

typedef struct prebind {
	sp_list node;
	scheduler *s;
	sp_arena arena;
	sp_str key, uid, where; /* the pod, its node */
	uint64_t timeout_ns;
	prebind_part *parts; /* those with a volume first */
	size_t n, n_assumed, next;
	sp_call call;
	sp_timer timer;
	bool waits;
} prebind;

/* ---- life ---- */

static void prebind_free(prebind *b)
{
	for (size_t i = 0; i < b->n_assumed; i++) {
		if (b->parts[i].volume.len > 0)
			sched_drop_volume(b->s->st, b->parts[i].volume);
		else
			sched_drop_claim(b->s->st, b->parts[i].claim);
	}
	sp_timer_stop(b->s->world, &b->timer);
	sp_list_remove(&b->node);
	b->s->n_prebinding--;
	sp_arena_done(&b->arena);
	sp_free(b);
}

void live_prebind_drop(scheduler *s, sp_str key)
{
	SP_LIST_FOREACH (node, &s->prebinding) {
		prebind *b = SP_CONTAINER_OF(node, prebind, node);
		if (key.ptr != NULL && !sp_str_eq(b->key, key))
			continue;
		if (!b->waits)
			sp_call_cancel(&b->call);
		prebind_free(b);
	}
}

/* The pod goes back to the queue, unless it is another one or elsewhere by now. */
static void fail(prebind *b, sp_str text)
{
	scheduler *s = b->s;
	sched_pod *pod = sched_find_pod(s->st, b->key);
	bool ours = pod != NULL && sp_str_eq(pod->uid, b->uid) && sched_is_assumed(pod);
	SP_AUTO_BUF said;
	sp_buf_init(&said, (size_t)64 << 10);
	(void)sp_buf_printf(&said, "running PreBind plugin \"VolumeBinding\": " SP_FMT, SP_ARG(text));
	prebind_free(b);
	if (ours)
		live_not_bound(s, pod, sp_buf_view(&said));
	live_wake(s);
}

static void succeed(prebind *b)
{
	scheduler *s = b->s;
	sched_pod *pod = sched_find_pod(s->st, b->key);
	bool ours = pod != NULL && sp_str_eq(pod->uid, b->uid) && sched_is_assumed(pod);
	prebind_free(b);
	if (ours)
		live_bind(s, pod);
}

/* ---- waiting ---- */

static bool holds_for(const prebind *b, const sched_pv *v)
{
	const sched_node *node = sched_find_node(b->s->st, b->where);
	return node != NULL && node->exists && sched_bound_volume_reaches(b->s->st, v, node);
}

static sp_str misses(prebind *b, const sched_pv *v)
{
	return sp_arena_printf(&b->arena,
			       "pv \"" SP_FMT "\" node affinity doesn't match node \"" SP_FMT
			       "\": no matching NodeSelectorTerms",
			       SP_ARG(v->name), SP_ARG(b->where));
}

/* True: the part is done. *why: it never will be. */
static bool check_static(prebind *b, const prebind_part *p, const sched_pvc *pvc, sp_str *why)
{
	const sched_pv *v = sched_find_pv(b->s->st, p->volume);
	if (v == NULL)
		*why = sp_arena_printf(&b->arena,
				       "failed to check binding: persistentvolumes \"" SP_FMT "\" not found",
				       SP_ARG(p->volume));
	else if (v->revision < p->revision)
		return false; /* the watch has not told of our write */
	else if (!holds_for(b, v))
		*why = misses(b, v);
	else if (v->ref_uid.len == 0)
		*why = sp_arena_printf(&b->arena, "ClaimRef got reset for pv \"" SP_FMT "\"",
				       SP_ARG(v->name));
	return why->len == 0 && pvc->bound;
}

static bool check_dynamic(prebind *b, const prebind_part *p, const sched_pvc *pvc, sp_str *why)
{
	sp_str name = sp_str_sub(pvc->key, (size_t)(sp_str_find(pvc->key, SP_STR("/")) + 1), pvc->key.len);
	if (pvc->revision < p->revision)
		return false;
	if (!pvc->has_selected_node || !sp_str_eq(pvc->selected_node, b->where)) {
		*why = sp_arena_printf(&b->arena, "provisioning failed for PVC \"" SP_FMT "\"", SP_ARG(name));
		return false;
	}
	const sched_pv *v = pvc->volume.len == 0 ? NULL : sched_find_pv(b->s->st, pvc->volume);
	if (v == NULL)
		return false;
	if (!holds_for(b, v))
		*why = misses(b, v);
	return why->len == 0 && pvc->bound;
}

static void check(prebind *b)
{
	sp_str why = {0};
	size_t n_done = 0;
	for (size_t i = 0; i < b->n && why.len == 0; i++) {
		const prebind_part *p = &b->parts[i];
		const sched_pvc *pvc = sched_find_pvc(b->s->st, p->claim);
		if (pvc == NULL)
			why = sp_arena_printf(
				&b->arena,
				"failed to check %s: persistentvolumeclaims \"" SP_FMT "\" not found",
				p->volume.len > 0 ? "binding" : "provisioning pvc", SP_ARG(p->claim));
		else if (p->volume.len > 0)
			n_done += check_static(b, p, pvc, &why);
		else
			n_done += check_dynamic(b, p, pvc, &why);
	}
	if (why.len > 0)
		fail(b, SP_CONCAT(&b->arena, SP_STR("binding volumes: "), why));
	else if (n_done == b->n)
		succeed(b);
}

static void on_late(sp_timer *t)
{
	fail(t->arg, SP_STR("binding volumes: context deadline exceeded"));
}

void live_prebind_check(sp_defer *d)
{
	scheduler *s = d->arg;
	SP_LIST_FOREACH (node, &s->prebinding) {
		prebind *b = SP_CONTAINER_OF(node, prebind, node);
		if (b->waits)
			check(b);
	}
}

/* ---- writing ---- */

static void write_next(prebind *b);

static void on_written(sp_call *call, const sp_answer *a)
{
	prebind *b = call->arg;
	const sp_object *o = NULL;
	sp_err err = {0};
	b->waits = true; /* no call is under way */
	if (a->code != SP_OK) {
		fail(b, a->err == NULL ? SP_STR("the write was refused") : sp_str_c(a->err->msg));
		return;
	}
	if (sp_object_parse(&b->arena, a->body, NULL, &o, &err) != SP_OK) {
		fail(b, sp_str_c(err.msg));
		return;
	}
	b->parts[b->next++].revision = o->revision;
	(void)sp_object_unref(o);
	write_next(b);
}

static void print_ref(sp_jout *j, const prebind_part *p, sp_str ns, sp_str name)
{
	char revision[SP_NUM_TEXT_BYTES];
	sp_jout_member_open(j, SP_STR("spec"), '{');
	sp_jout_member_open(j, SP_STR("claimRef"), '{');
	sp_jout_member_str(j, SP_STR("kind"), SP_STR("PersistentVolumeClaim"));
	sp_jout_member_str(j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_str(j, SP_STR("namespace"), ns);
	sp_jout_member_str(j, SP_STR("name"), name);
	sp_jout_member_str(j, SP_STR("uid"), p->claim_uid);
	sp_jout_member_str(j, SP_STR("resourceVersion"),
			   (sp_str){revision, sp_print_u64(revision, p->claim_revision)});
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

static void print_patch(sp_jout *j, const prebind *b, const prebind_part *p, sp_str ns, sp_str name)
{
	char revision[SP_NUM_TEXT_BYTES];
	bool dynamic = p->volume.len == 0;
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("resourceVersion"),
			   (sp_str){revision, sp_print_u64(revision, p->revision)});
	if (dynamic || p->marks) {
		sp_jout_member_open(j, SP_STR("annotations"), '{');
		sp_jout_member_str(j,
				   dynamic ? SP_STR("volume.kubernetes.io/selected-node")
					   : SP_STR("pv.kubernetes.io/bound-by-controller"),
				   dynamic ? b->where : SP_STR("yes"));
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, '}');
	if (!dynamic)
		print_ref(j, p, ns, name);
	sp_jout_close(j, '}');
}

static void write_part(prebind *b, const prebind_part *p)
{
	SP_AUTO_BUF body;
	sp_str ns, name;
	bool dynamic = p->volume.len == 0;
	sp_object_key_split(p->claim, &ns, &name);
	sp_buf_init(&body, (size_t)64 << 10);
	sp_jout j = sp_jout_to(&body);
	print_patch(&j, b, p, ns, name);
	b->waits = false;
	b->call = (sp_call){.done = on_written, .arg = b};
	sp_call_start(b->s->client, &b->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = dynamic ? SP_PERSISTENTVOLUMECLAIMS : SP_PERSISTENTVOLUMES,
				.ns = dynamic ? ns : (sp_str){0},
				.name = dynamic ? name : p->volume,
				.body = sp_buf_view(&body)});
}

static void write_next(prebind *b)
{
	while (b->next < b->n && b->parts[b->next].says_so)
		b->next++;
	if (b->next < b->n) {
		write_part(b, &b->parts[b->next]);
		return;
	}
	b->waits = true;
	b->timer.arg = b;
	sp_timer_start(b->s->world, &b->timer, b->timeout_ns, on_late);
	sp_defer_call(b->s->world, &b->s->prebind_check); /* the watch may have been faster */
}

/* ---- the beginning ---- */

static bool keep(sp_arena *a, sp_str text, sp_str *ret)
{
	*ret = text.len == 0 ? (sp_str){0} : sp_arena_try_dup(a, text);
	return ret->len == text.len;
}

static bool part_open(prebind *b, const sched_delayed *d, prebind_part *p)
{
	const sched_pvc *claim = d->claim;
	const sched_pv *v = d->chosen;
	*p = (prebind_part){.claim_revision = claim->revision,
			    .revision = v == NULL ? claim->revision : v->revision};
	if (v == NULL) {
		p->says_so = claim->has_selected_node && sp_str_eq(claim->selected_node, b->where);
	} else {
		bool names_it = sp_str_eq(v->ref_key, claim->key);
		/* Who named the claim by hand is not said to be a controller. */
		p->marks = !(names_it && (v->ref_uid.len == 0 || sp_str_eq(v->ref_uid, claim->uid))) &&
			   !v->by_controller;
		p->says_so = names_it && sp_str_eq(v->ref_uid, claim->uid) && !p->marks;
	}
	return keep(&b->arena, claim->key, &p->claim) && keep(&b->arena, claim->uid, &p->claim_uid) &&
	       (v == NULL || keep(&b->arena, v->name, &p->volume));
}

static bool parts_open(prebind *b, const sched_volume_state *all)
{
	b->parts = sp_try_new(&b->arena, prebind_part, all->n_delayed);
	if (b->parts == NULL)
		return false;
	for (int dynamic = 0; dynamic < 2; dynamic++) {
		for (size_t i = 0; i < all->n_delayed; i++) {
			if ((all->delayed[i].chosen == NULL) == (dynamic == 1) &&
			    !part_open(b, &all->delayed[i], &b->parts[b->n++]))
				return false;
		}
	}
	return true;
}

static bool assume(prebind *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const prebind_part *p = &b->parts[i];
		sp_code code = p->volume.len > 0
				       ? sched_assume_volume(b->s->st, p->volume, p->claim, p->claim_uid)
				       : sched_assume_claim(b->s->st, p->claim, b->where);
		if (code != SP_OK)
			return false;
		b->n_assumed++;
	}
	return true;
}

void live_prebind(scheduler *s, sched_pod *pod, const sched_cycle *c)
{
	prebind *b = s->n_prebinding >= LIVE_PREBINDINGS ? NULL : sp_try_alloc(sizeof *b);
	if (b == NULL) {
		live_not_bound(s, pod,
			       SP_STR("running PreBind plugin \"VolumeBinding\": too many are under way"));
		return;
	}
	b->s = s;
	b->timeout_ns = c->profile->bind_timeout_ns;
	b->waits = true;
	sp_arena_init(&b->arena, PREBIND_BYTES);
	sp_list_push_back(&s->prebinding, &b->node);
	s->n_prebinding++;
	if (keep(&b->arena, pod->key, &b->key) && keep(&b->arena, pod->uid, &b->uid) &&
	    keep(&b->arena, pod->node_name, &b->where) && parts_open(b, c->volumes) && assume(b))
		write_next(b);
	else
		fail(b, SP_STR("no memory"));
}
