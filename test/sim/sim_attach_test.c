/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes attached to nodes and taken off again, in the simulator, with somebody who attaches. */
#include <string.h>

#include "base/alloc.h"
#include "client/informer.h"
#include "controllers/attach_int.h"
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define LIST "persistentvolume-attach-detach-controller"
#define NAME(pv) "kubernetes.io/csi/d.x^" pv
#define NODE(name) SP_NODES, "", name
#define VA(name) SP_VOLUMEATTACHMENTS, "", name

/* ---- who attaches: as an external-attacher, with its finalizer ---- */

typedef struct attacher {
	t_ctl *t;
	t_user user;
	sp_informers *informers;
	sp_informer *all;
	sp_informer_watch watch;
	struct task *tasks;
	unsigned fails_in_10; /* of the tries */
	bool is_off;          /* says nothing */
	/* An exclusive volume was asked for at a second node while attached at the first, and nobody had said
	 * that it cannot be detached there. */
	bool breaks_law;
} attacher;

typedef struct task {
	struct task *next;
	attacher *a;
	sp_timer timer;
	sp_call call;
	bool is_going, has_finalizer, fails;
	char name[80];
} task;

static void task_free(task *k)
{
	task **at = &k->a->tasks;
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	sp_timer_stop(k->a->user.world, &k->timer);
	sp_call_cancel(&k->call);
	sp_free(k);
}

static void step(sp_timer *timer);

static void roll(task *k)
{
	k->fails = sp_sim_random_below(k->a->t->api.sim, 10) < k->a->fails_in_10;
}

static void on_told(sp_call *c, const sp_answer *answer)
{
	task *k = c->arg;
	if (answer->code != SP_OK && answer->code != SP_ENOTFOUND) {
		sp_timer_start(k->a->user.world, &k->timer, 300 * MS, step);
	} else if (answer->code == SP_OK && k->fails) { /* it tries again by itself */
		roll(k);
		sp_timer_start(k->a->user.world, &k->timer, SECOND, step);
	} else if (answer->code == SP_OK && !k->is_going && !k->has_finalizer) {
		k->has_finalizer = true;
		sp_timer_start(k->a->user.world, &k->timer, 10 * MS, step);
	} else {
		task_free(k);
	}
}

static void step(sp_timer *timer)
{
	task *k = timer->arg;
	sp_ask q = {.verb = SP_ASK_MERGE_PATCH, .gvr = SP_VOLUMEATTACHMENTS, .name = sp_str_c(k->name)};
	if (k->fails)
		q.body = k->is_going ? SP_STR("{\"status\":{\"attached\":true,\"detachError\":{\"message\":"
					      "\"busy\"}}}")
				     : SP_STR("{\"status\":{\"attached\":false,\"attachError\":{\"message\":"
					      "\"no space\"}}}");
	else if (k->is_going)
		q.body = SP_STR("{\"metadata\":{\"finalizers\":null}}");
	else if (!k->has_finalizer)
		q.body = SP_STR("{\"metadata\":{\"finalizers\":[\"external-attacher/d\"]}}");
	else
		q.body = SP_STR("{\"status\":{\"attached\":true,\"attachError\":null}}");
	if (k->fails || (!k->is_going && k->has_finalizer))
		q.subresource = SP_STR("status");
	k->call = (sp_call){.done = on_told, .arg = k};
	sp_call_start(k->a->user.client, &k->call, &q);
}

/* What was begun before it was to go ends. */
static bool has_task(attacher *a, sp_str name, bool going)
{
	for (task *k = a->tasks; k != NULL; k = k->next) {
		if (!sp_str_eq(sp_str_c(k->name), name))
			continue;
		if (k->is_going == going)
			return true;
		task_free(k);
		return false;
	}
	return false;
}

static void check_law(attacher *a, sp_str name, yyjson_val *now)
{
	const sp_object *o;
	sp_str volume = sp_view_str_at(now, "spec.source.persistentVolumeName");
	for (size_t at = 0; (o = sp_informer_next(a->all, &at)) != NULL;) {
		sp_arena arena;
		yyjson_val *v;
		sp_arena_init(&arena, (size_t)1 << 20);
		if (!sp_str_eq(o->name, name) && sp_json_parse(&arena, o->json, &v, NULL) == SP_OK &&
		    sp_str_eq(sp_view_str_at(v, "spec.source.persistentVolumeName"), volume) &&
		    sp_str_starts(volume, SP_STR("own")) &&
		    yyjson_get_bool(sp_view_at(v, "status.attached")) &&
		    sp_view_at(v, "status.detachError") == NULL)
			a->breaks_law = true;
		sp_arena_done(&arena);
	}
}

static void on_attachment(void *arg, const sp_object *old, const sp_object *now)
{
	attacher *a = arg;
	sp_arena arena;
	yyjson_val *v;
	(void)old;
	if (now == NULL || a->is_off)
		return;
	sp_arena_init(&arena, (size_t)1 << 20);
	bool read = sp_json_parse(&arena, now->json, &v, NULL) == SP_OK;
	bool going = read && sp_view_str_at(v, "metadata.deletionTimestamp").len > 0;
	bool attached = read && yyjson_get_bool(sp_view_at(v, "status.attached"));
	/* One that failed does not stand in the way of another node (as upstream), and may be met again while
	 * that has the volume. */
	bool failed = read && sp_view_at(v, "status.attachError") != NULL;
	if (read && !going && !attached && !failed)
		check_law(a, now->name, v);
	sp_arena_done(&arena);
	if (!read || (!going && attached) || has_task(a, now->name, going))
		return;
	task *k = SP_NEW(task);
	k->a = a;
	k->is_going = going;
	k->timer.arg = k;
	roll(k);
	(void)snprintf(k->name, sizeof k->name, SP_FMT, SP_ARG(now->name));
	k->next = a->tasks;
	a->tasks = k;
	sp_timer_start(a->user.world, &k->timer, 20 * MS + sp_sim_random_below(a->t->api.sim, 900 * MS),
		       step);
}

static void attacher_close(void *arg)
{
	attacher *a = arg;
	while (a->tasks != NULL)
		task_free(a->tasks);
	sp_informers_free(a->informers);
}

static attacher *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	attacher *a = sp_new(T_ARENA, attacher, 1);
	t_no_faults();
	a->t = t;
	if (!t_ctl_open(t, o, LIST) || !t_user_open(&a->user, &t->api, "attacher", true) ||
	    sp_informers_new(a->user.client, NULL, &a->informers, T_ERR) != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "no attacher");
		return a;
	}
	T_DEFER(attacher_close, a);
	if (sp_informers_get(a->informers, &(sp_informer_opts){.gvr = SP_VOLUMEATTACHMENTS}, &a->all,
			     T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "no informer");
	a->watch = (sp_informer_watch){.on_change = on_attachment, .arg = a};
	sp_informer_watch_add(a->all, &a->watch);
	sp_informers_start(a->informers);
	return a;
}

static attacher *open_calm(void)
{
	return open_rig(&(sp_sim_opts){.seed = t_random()});
}

/* ---- the cluster ---- */

/* Until the server has it, however often the network fails. */
static bool insist(t_ctl *t, sp_ask_verb verb, sp_gvr gvr, const char *ns, const char *name, const char *sub,
		   const char *json)
{
	unsigned n = 0;
	do
		t_ask(&t->user, &(sp_ask){.verb = verb,
					  .gvr = gvr,
					  .ns = sp_str_c(ns),
					  .name = sp_str_c(name),
					  .subresource = sp_str_c(sub),
					  .body = sp_str_c(json)});
	while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && t->user.code != SP_ENOTFOUND &&
	       n++ < 100 && !t_failed());
	return n < 100;
}

static bool node_status(t_ctl *t, const char *node, const char *json)
{
	return insist(t, SP_ASK_MERGE_PATCH, SP_NODES, "", node, "status", json);
}

static bool make_node(t_ctl *t, const char *name)
{
	return insist(t, SP_ASK_CREATE, SP_NODES, "", "", "",
		      sp_arena_printf(T_ARENA,
				      "{\"metadata\":{\"name\":\"%s\",\"annotations\":{\"volumes.kubernetes."
				      "io/controller-managed-attach-detach\":\"true\"}}}",
				      name)
			      .ptr) &&
	       node_status(t, name,
			   "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}");
}

/* A claim and its volume, bound as the binder would; "own…" is exclusive. */
static bool make_volume(t_ctl *t, const char *name)
{
	const char *mode = strncmp(name, "own", 3) == 0 ? "ReadWriteOnce" : "ReadWriteMany";
	return insist(t, SP_ASK_CREATE, SP_PERSISTENTVOLUMECLAIMS, "default", "", "",
		      sp_arena_printf(T_ARENA,
				      "{\"metadata\":{\"name\":\"c-%s\"},\"spec\":{\"accessModes\":[\"%s\"],"
				      "\"storageClassName\":\"\",\"volumeName\":\"%s\",\"resources\":{"
				      "\"requests\":{\"storage\":\"1Gi\"}}}}",
				      name, mode, name)
			      .ptr) &&
	       insist(t, SP_ASK_CREATE, SP_PERSISTENTVOLUMES, "", "", "",
		      sp_arena_printf(
			      T_ARENA,
			      "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"capacity\":{\"storage\":\"1Gi\"},"
			      "\"accessModes\":[\"%s\"],\"csi\":{\"driver\":\"d.x\",\"volumeHandle\":\"%s\"},"
			      "\"claimRef\":{\"namespace\":\"default\",\"name\":\"c-%s\",\"uid\":\"" SP_FMT
			      "\"}}}",
			      name, mode, name, name,
			      SP_ARG(t_ctl_text(t_ctl_get(t, SP_PERSISTENTVOLUMECLAIMS, "default",
							  sp_arena_printf(T_ARENA, "c-%s", name).ptr),
						"metadata.uid")))
			      .ptr) &&
	       insist(t, SP_ASK_MERGE_PATCH, SP_PERSISTENTVOLUMECLAIMS, "default",
		      sp_arena_printf(T_ARENA, "c-%s", name).ptr, "status",
		      "{\"status\":{\"phase\":\"Bound\"}}");
}

static bool make_pod(t_ctl *t, const char *name, const char *node, const char *volume)
{
	return insist(
		t, SP_ASK_CREATE, SP_PODS, "default", "", "",
		sp_arena_printf(T_ARENA,
				"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"nodeName\":\"%s\","
				"\"containers\":[{\"name\":\"c\",\"image\":\"i\"}],\"volumes\":[{\"name\":"
				"\"v\",\"persistentVolumeClaim\":{\"claimName\":\"c-%s\"}}]}}",
				name, node, volume)
			.ptr);
}

static bool drop_pod(t_ctl *t, const char *name)
{
	return insist(t, SP_ASK_DELETE, SP_PODS, "default", name, "", "{\"gracePeriodSeconds\":0}");
}

static const char *attachment(const char *volume, const char *node)
{
	char *name = sp_new(T_ARENA, char, ATT_NAME_BYTES);
	sp_sha256_sum *sum = sp_sha256_new();
	if (sum != NULL)
		att_attachment_name(sum, sp_str_c(volume), SP_STR("d.x"), sp_str_c(node), name);
	sp_sha256_free(sum);
	return name;
}

static bool has_event(t_ctl *t, const char *pod, const char *reason, const char *message)
{
	size_t n, i, max;
	yyjson_val *v, *items = t_ctl_list(t, SP_EVENTS_CORE, "default", "", &n);
	yyjson_arr_foreach(items, i, max, v)
	{
		if (sp_str_eq(t_ctl_text(v, "involvedObject.name"), sp_str_c(pod)) &&
		    sp_str_eq(t_ctl_text(v, "reason"), sp_str_c(reason)) &&
		    sp_str_eq(t_ctl_text(v, "message"), sp_str_c(message)) &&
		    sp_str_eq(t_ctl_text(v, "source.component"), SP_STR("attachdetach-controller")))
			return true;
	}
	return false;
}

static size_t n_listed(t_ctl *t, const char *node)
{
	return yyjson_arr_size(sp_view_at(t_ctl_get(t, NODE(node)), "status.volumesAttached"));
}

SP_TEST(sim_attach, a_life)
{
	attacher *a = open_calm();
	t_ctl *t = a->t;
	T_TRUE(!t_failed());
	T_TRUE(make_node(t, "n1") && make_volume(t, "own1") && make_pod(t, "p", "n1", "own1"));
	T_TRUE(t_ctl_wait(t, VA(attachment("own1", "n1")), "status.attached", "true"));
	yyjson_val *va = t_ctl_get(t, VA(attachment("own1", "n1")));
	T_EQ_C(t_ctl_text(va, "spec.attacher"), "d.x");
	T_EQ_C(t_ctl_text(va, "spec.nodeName"), "n1");
	T_EQ_C(t_ctl_text(va, "spec.source.persistentVolumeName"), "own1");
	T_TRUE(t_ctl_wait(t, NODE("n1"), "status.volumesAttached[0].name", NAME("own1")));
	T_EQ_C(t_ctl_text(t_ctl_get(t, NODE("n1")), "status.volumesAttached[0].devicePath"), "");
	t_ctl_run(t, SECOND);
	T_TRUE(has_event(t, "p", "SuccessfulAttachVolume",
			 "AttachVolume.Attach succeeded for volume \"own1\" "));
	/* A second pod there changes nothing; the first one's end neither. */
	T_TRUE(make_pod(t, "q", "n1", "own1") && drop_pod(t, "p"));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_C(t_ctl_text(t_ctl_get(t, VA(attachment("own1", "n1"))), "status.attached"), "true");
	/* In use: it stays until the node lets go. */
	T_TRUE(node_status(t, "n1", "{\"status\":{\"volumesInUse\":[\"" NAME("own1") "\"]}}"));
	T_TRUE(drop_pod(t, "q"));
	t_ctl_run(t, 400 * SECOND);
	T_TRUE(t_ctl_get(t, VA(attachment("own1", "n1"))) != NULL);
	T_EQ_U64(n_listed(t, "n1"), 1);
	T_TRUE(node_status(t, "n1", "{\"status\":{\"volumesInUse\":null}}"));
	T_TRUE(t_ctl_wait_gone(t, VA(attachment("own1", "n1"))));
	T_EQ_U64(n_listed(t, "n1"), 0);
}

SP_TEST(sim_attach, exclusive_volumes_move)
{
	attacher *a = open_calm();
	t_ctl *t = a->t;
	T_TRUE(!t_failed());
	T_TRUE(make_node(t, "n1") && make_node(t, "n2") && make_volume(t, "own1"));
	T_TRUE(make_pod(t, "p", "n1", "own1"));
	T_TRUE(t_ctl_wait(t, VA(attachment("own1", "n1")), "status.attached", "true"));
	T_TRUE(make_pod(t, "q", "n2", "own1"));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(t_ctl_get(t, VA(attachment("own1", "n2"))) == NULL);
	T_TRUE(has_event(t, "q", "FailedAttachVolume",
			 "Multi-Attach error for volume \"own1\" Volume is already used by pod(s) p"));
	T_TRUE(node_status(t, "n1", "{\"status\":{\"volumesInUse\":[\"" NAME("own1") "\"]}}"));
	T_TRUE(drop_pod(t, "p") && drop_pod(t, "q"));
	T_TRUE(make_pod(t, "r", "n2", "own1"));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(has_event(
		t, "r", "FailedAttachVolume",
		"Multi-Attach error for volume \"own1\" Volume is already exclusively attached to one "
		"node and can't be attached to another"));
	T_TRUE(node_status(t, "n1", "{\"status\":{\"volumesInUse\":null}}"));
	T_TRUE(t_ctl_wait(t, VA(attachment("own1", "n2")), "status.attached", "true"));
	T_TRUE(t_ctl_get(t, VA(attachment("own1", "n1"))) == NULL);
	T_TRUE(!a->breaks_law);
}

SP_TEST(sim_attach, shared_volumes_are_everywhere)
{
	attacher *a = open_calm();
	t_ctl *t = a->t;
	T_TRUE(!t_failed());
	T_TRUE(make_node(t, "n1") && make_node(t, "n2") && make_volume(t, "all1"));
	T_TRUE(make_pod(t, "p", "n1", "all1") && make_pod(t, "q", "n2", "all1"));
	T_TRUE(t_ctl_wait(t, VA(attachment("all1", "n1")), "status.attached", "true"));
	T_TRUE(t_ctl_wait(t, VA(attachment("all1", "n2")), "status.attached", "true"));
}

SP_TEST(sim_attach, failures_are_told_and_tried_again)
{
	attacher *a = open_calm();
	t_ctl *t = a->t;
	T_TRUE(!t_failed());
	a->fails_in_10 = 10;
	T_TRUE(make_node(t, "n1") && make_volume(t, "own1") && make_pod(t, "p", "n1", "own1"));
	T_TRUE(t_ctl_wait(t, VA(attachment("own1", "n1")), "status.attachError.message", "no space"));
	t_ctl_run(t, 10 * SECOND);
	T_TRUE(has_event(t, "p", "FailedAttachVolume",
			 "AttachVolume.Attach failed for volume \"own1\" : no space"));
	T_EQ_U64(n_listed(t, "n1"), 0);
	a->fails_in_10 = 0;
	T_TRUE(t_ctl_wait(t, NODE("n1"), "status.volumesAttached[0].name", NAME("own1")));
	/* Nor is it forgotten when it cannot be detached. */
	a->fails_in_10 = 10;
	T_TRUE(drop_pod(t, "p"));
	T_TRUE(t_ctl_wait(t, VA(attachment("own1", "n1")), "status.detachError.message", "busy"));
	T_EQ_U64(n_listed(t, "n1"), 0);
	T_TRUE(make_pod(t, "q", "n1", "own1"));
	t_ctl_run(t, 10 * SECOND);
	T_TRUE(has_event(
		t, "q", "FailedAttachVolume",
		"AttachVolume.Attach failed for volume \"own1\" : volume attachment is being deleted"));
	a->fails_in_10 = 0;
	T_TRUE(t_ctl_wait(t, NODE("n1"), "status.volumesAttached[0].name", NAME("own1")));
}

SP_TEST(sim_attach, an_attacher_that_is_silent)
{
	attacher *a = open_calm();
	t_ctl *t = a->t;
	T_TRUE(!t_failed());
	a->is_off = true;
	T_TRUE(make_node(t, "n2") && make_volume(t, "own2") && make_pod(t, "gone", "n2", "own2"));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(t_ctl_get(t, VA(attachment("own2", "n2"))) != NULL);
	T_TRUE(drop_pod(t, "gone"));
	t_ctl_run(t, 5 * SECOND); /* nobody waits for it any more */
	T_TRUE(t_ctl_get(t, VA(attachment("own2", "n2"))) == NULL);
	T_TRUE(make_node(t, "n1") && make_volume(t, "own1") && make_pod(t, "p", "n1", "own1"));
	t_ctl_run(t, 130 * SECOND);
	T_TRUE(has_event(t, "p", "FailedAttachVolume",
			 "AttachVolume.Attach failed for volume \"own1\" : timed out waiting for "
			 "external-attacher of d.x CSI driver to attach volume own1"));
	/* A driver that need not attach: the attachment goes. */
	T_TRUE(t_ctl_create(t, SP_CSIDRIVERS, "",
			    "{\"metadata\":{\"name\":\"d.x\"},\"spec\":{\"attachRequired\":false}}"));
	T_TRUE(t_ctl_wait_gone(t, VA(attachment("own1", "n1"))));
}

/* A node that is lost keeps its volumes for six minutes; one that is out of service for none. */
SP_TEST(sim_attach, nodes_that_are_lost)
{
	attacher *a = open_calm();
	t_ctl *t = a->t;
	T_TRUE(!t_failed());
	T_TRUE(make_node(t, "n1") && make_node(t, "n2") && make_volume(t, "own1") && make_volume(t, "own2"));
	T_TRUE(make_pod(t, "p", "n1", "own1") && make_pod(t, "q", "n2", "own2"));
	T_TRUE(node_status(
		t, "n1",
		"{\"status\":{\"volumesInUse\":[\"" NAME(
			"own1") "\"],\"conditions\":[{\"type\":\"Ready\",\"status\":\"Unknown\"}]}}"));
	T_TRUE(node_status(t, "n2", "{\"status\":{\"volumesInUse\":[\"" NAME("own2") "\"]}}"));
	T_TRUE(t_ctl_wait(t, VA(attachment("own1", "n1")), "status.attached", "true"));
	T_TRUE(t_ctl_wait(t, VA(attachment("own2", "n2")), "status.attached", "true"));
	T_TRUE(drop_pod(t, "p") && drop_pod(t, "q"));
	t_ctl_run(t, 350 * SECOND);
	T_TRUE(t_ctl_get(t, VA(attachment("own1", "n1"))) != NULL);
	T_TRUE(t_ctl_get(t, VA(attachment("own2", "n2"))) != NULL);
	t_ctl_run(t, 15 * SECOND);
	T_TRUE(t_ctl_get(t, VA(attachment("own1", "n1"))) == NULL);
	T_TRUE(t_ctl_get(t, VA(attachment("own2", "n2"))) != NULL);
	T_TRUE(t_ctl_patch(t, NODE("n2"), "",
			   "{\"spec\":{\"taints\":[{\"key\":\"node.kubernetes.io/out-of-service\",\"effect\":"
			   "\"NoExecute\"}]}}"));
	T_TRUE(t_ctl_wait_gone(t, VA(attachment("own2", "n2"))));
}

/* What an earlier controller left: with a pod it is taken over silently, without it goes. */
SP_TEST(sim_attach, attachments_from_before)
{
	attacher *a = open_calm();
	t_ctl *t = a->t;
	T_TRUE(!t_failed());
	T_TRUE(make_volume(t, "own1") && make_volume(t, "own2"));
	for (unsigned i = 1; i <= 2; i++) {
		const char *pv = i == 1 ? "own1" : "own2";
		T_TRUE(insist(
			t, SP_ASK_CREATE, SP_VOLUMEATTACHMENTS, "", "", "",
			sp_arena_printf(T_ARENA,
					"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"attacher\":\"d.x\","
					"\"nodeName\":\"n1\",\"source\":{\"persistentVolumeName\":\"%s\"}}}",
					attachment(pv, "n1"), pv)
				.ptr));
	}
	T_TRUE(make_pod(t, "p", "n1", "own1"));
	T_TRUE(t_ctl_wait(t, VA(attachment("own2", "n1")), "status.attached", "true"));
	T_TRUE(make_node(t, "n1"));
	T_TRUE(node_status(t, "n1",
			   "{\"status\":{\"volumesAttached\":[{\"name\":\"" NAME(
				   "own2") "\",\"devicePath\":\"\"},{\"name\":\"kubernetes.io/csi/d.x^gone\","
					   "\"devicePath\":\"\"}]}}"));
	T_TRUE(t_ctl_wait_gone(t, VA(attachment("own2", "n1"))));
	T_TRUE(t_ctl_wait(t, NODE("n1"), "status.volumesAttached[0].name", NAME("own1")));
	T_EQ_U64(n_listed(t, "n1"), 1);
}

/* iSCSI needs nobody who attaches, but has to stand in the node's status. */
SP_TEST(sim_attach, volumes_that_need_nobody)
{
	attacher *a = open_calm();
	t_ctl *t = a->t;
	T_TRUE(!t_failed());
	T_TRUE(make_node(t, "n1"));
	T_TRUE(t_ctl_create(t, SP_PODS, "default",
			    "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{"
			    "\"name\":\"c\",\"image\":\"i\"}],\"volumes\":[{\"name\":\"v\",\"iscsi\":{"
			    "\"targetPortal\":\"10.0.0.1:3260\",\"iqn\":\"iqn.2026-01.x:y\",\"lun\":0}},{"
			    "\"name\":\"w\",\"cinder\":{\"volumeID\":\"c1\"}}]}}"));
	T_TRUE(t_ctl_wait(t, NODE("n1"), "status.volumesAttached[1].name",
			  "kubernetes.io/iscsi/10.0.0.1:3260:iqn.2026-01.x:y:0"));
	T_EQ_C(t_ctl_text(t_ctl_get(t, NODE("n1")), "status.volumesAttached[0].name"),
	       "kubernetes.io/csi/cinder.csi.openstack.org^c1");
	size_t n;
	yyjson_val *items = t_ctl_list(t, SP_VOLUMEATTACHMENTS, "", "", &n);
	T_EQ_U64(n, 1);
	T_EQ_C(t_ctl_text(yyjson_arr_get_first(items), "spec.source.inlineVolumeSpec.csi.volumeHandle"),
	       "c1");
	T_TRUE(has_event(t, "p", "SuccessfulAttachVolume",
			 "AttachVolume.Attach succeeded for volume \"v\" "));
	T_TRUE(drop_pod(t, "p"));
	t_ctl_run(t, 10 * SECOND);
	T_EQ_U64(n_listed(t, "n1"), 0);
}

/* Whatever the network does: in the end what is wanted is attached, and nothing else; what is exclusive was
 * never at two nodes. */
SP_TEST(sim_attach, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = 60 * SECOND;
	attacher *a = open_rig(&o);
	t_ctl *t = a->t;
	static const char *const nodes[] = {"n1", "n2", "n3"}, *const volumes[] = {"own1", "own2", "all1"};
	T_TRUE(!t_failed());
	a->fails_in_10 = 2;
	for (size_t i = 0; i < 3; i++)
		T_TRUE(make_node(t, nodes[i]) && make_volume(t, volumes[i]));
	for (unsigned i = 0; i < 12; i++) {
		const char *pod = sp_arena_printf(T_ARENA, "p%u", i % 4).ptr;
		size_t node = sp_sim_random_below(t->api.sim, 3), volume = sp_sim_random_below(t->api.sim, 3);
		T_TRUE(drop_pod(t, pod) && make_pod(t, pod, nodes[node], volumes[volume]));
		t_ctl_run(t, sp_sim_random_below(t->api.sim, 4 * SECOND));
	}
	a->fails_in_10 = 0;
	for (unsigned i = 0; i < 4; i++)
		T_TRUE(drop_pod(t, sp_arena_printf(T_ARENA, "p%u", i).ptr));
	T_TRUE(make_pod(t, "last1", "n1", "own1") && make_pod(t, "last2", "n2", "all1") &&
	       make_pod(t, "last3", "n3", "all1"));
	t_ctl_run(t, 300 * SECOND);
	T_TRUE(!a->breaks_law);
	size_t n;
	(void)t_ctl_list(t, SP_VOLUMEATTACHMENTS, "", "", &n);
	T_EQ_U64(n, 3);
	T_EQ_C(t_ctl_text(t_ctl_get(t, NODE("n1")), "status.volumesAttached[0].name"), NAME("own1"));
	T_EQ_C(t_ctl_text(t_ctl_get(t, NODE("n2")), "status.volumesAttached[0].name"), NAME("all1"));
	T_EQ_C(t_ctl_text(t_ctl_get(t, NODE("n3")), "status.volumesAttached[0].name"), NAME("all1"));
	T_TRUE(n_listed(t, "n1") == 1 && n_listed(t, "n2") == 1 && n_listed(t, "n3") == 1);
}
