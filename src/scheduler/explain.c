/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/explain.h"

#include <inttypes.h>

#include "base/num.h"
#include "kube/view.h"
#include "scheduler/plugins/plugins.h"
#include "scheduler/preempt.h"
#include "scheduler/snapshot.h"

#define MIB (INT64_C(1) << 20)

typedef struct explaining {
	sched_snapshot s;
	sched_cycle c;
	sp_buf *out;
} explaining;

static sp_str node_name(const explaining *x, uint32_t slot)
{
	return x->c.st->t.nodes[slot]->name;
}

/* ---- what would have to change ---- */

static int64_t positive(int64_t n)
{
	return n > 0 ? n : 0;
}

static void say_cpu(explaining *x, uint32_t slot)
{
	const sched_table *t = &x->c.st->t;
	(void)sp_buf_printf(x->out,
			    "it asks for %" PRId64 "m, %" PRId64 "m of %" PRId64
			    "m are free: ask for less, or end pods there",
			    x->c.spec->requests.filter.cpu_milli,
			    positive(sp_i64_wrap_sub(t->alloc_cpu[slot], t->used_cpu[slot])),
			    t->alloc_cpu[slot]);
}

static void say_bytes(explaining *x, int64_t asked, int64_t alloc, int64_t used)
{
	(void)sp_buf_printf(x->out,
			    "it asks for %" PRId64 "Mi, %" PRId64 "Mi of %" PRId64
			    "Mi are free: ask for less, or end pods there",
			    asked / MIB, positive(alloc - used) / MIB, alloc / MIB);
}

static void say_memory(explaining *x, uint32_t slot)
{
	const sched_table *t = &x->c.st->t;
	say_bytes(x, x->c.spec->requests.filter.memory, t->alloc_memory[slot], t->used_memory[slot]);
}

static void say_ephemeral(explaining *x, uint32_t slot)
{
	const sched_table *t = &x->c.st->t;
	say_bytes(x, x->c.spec->requests.filter.ephemeral, t->alloc_ephemeral[slot], t->used_ephemeral[slot]);
}

static void say_pods(explaining *x, uint32_t slot)
{
	(void)sp_buf_printf(x->out,
			    "%u of %" PRId64 " pods are there: end some, or raise the node's --max-pods",
			    x->c.st->t.n_pods[slot], x->c.st->t.alloc_pods[slot]);
}

/* The snapshot's own object. */
static yyjson_val *node_object(const explaining *x, uint32_t slot)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(sp_json_last(x->s.root, SP_STR("nodes")));
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		if (sp_str_eq(sp_view_str_at(v, "metadata.name"), node_name(x, slot)))
			return v;
	}
	return NULL;
}

static void say_taints(explaining *x, uint32_t slot)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(sp_view_at(node_object(x, slot), "spec.taints"));
	(void)sp_buf_str(x->out, SP_STR("tolerate its taints, or remove them:"));
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		sp_str key = sp_view_str_at(v, "key"), value = sp_view_str_at(v, "value"),
		       effect = sp_view_str_at(v, "effect");
		if (!sp_str_eq(effect, SP_STR("PreferNoSchedule")))
			(void)sp_buf_printf(x->out, " " SP_FMT "%s" SP_FMT ":" SP_FMT, SP_ARG(key),
					    value.len > 0 ? "=" : "", SP_ARG(value), SP_ARG(effect));
	}
}

static void say_uncordon(explaining *x, uint32_t slot)
{
	(void)sp_buf_printf(x->out, "allow pods there: kubectl uncordon " SP_FMT, SP_ARG(node_name(x, slot)));
}

/* The first row whose beginning a reason has; longer ones stand before what they begin with. */
static const struct {
	const char *reason;
	void (*say)(explaining *x, uint32_t slot);
	const char *text;
} hints[] = {
	{"Insufficient cpu", say_cpu, NULL},
	{"Insufficient memory", say_memory, NULL},
	{"Insufficient ephemeral-storage", say_ephemeral, NULL},
	{"Insufficient ", NULL, "ask for less of it, end pods that hold it, or add it to the node"},
	{"Too many pods", say_pods, NULL},
	{"node(s) had untolerated taint", say_taints, NULL},
	{"node(s) were unschedulable", say_uncordon, NULL},
	{"node(s) didn't match Pod's node affinity", NULL,
	 "label the node as nodeSelector and required node affinity want, or change these"},
	{"node(s) didn't match the requested node name", NULL, "take spec.nodeName out of the pod"},
	{"node(s) didn't have free ports", NULL, "choose other host ports, or end the pods that hold them"},
	{"node(s) didn't match pod affinity rules", NULL,
	 "start a pod that the required affinity is about in the node's domain, or change the rule"},
	{"node(s) didn't match pod anti-affinity rules", NULL,
	 "end the pods in the node's domain that the anti-affinity is about, or change the rule"},
	{"node(s) didn't satisfy existing pods anti-affinity rules", NULL,
	 "end the pods whose anti-affinity is about this one, or change its labels"},
	{"node(s) didn't match pod topology spread constraints (missing", NULL,
	 "give the node the label that is the constraint's topologyKey"},
	{"node(s) didn't match pod topology spread constraints", NULL,
	 "bring pods to the other domains first, or raise maxSkew"},
	{"node(s) had no available volume zone", NULL, "use a volume of the node's zone"},
	{"node(s) didn't match PersistentVolume's node affinity", NULL,
	 "the volume is on other nodes: use another one, or free these nodes"},
	{"node(s) didn't find available persistent volumes to bind", NULL,
	 "make a volume that fits the claim, or name a class that makes one"},
	{"node(s) did not have enough free storage", NULL, "ask for less storage, or free some"},
	{"node(s) unavailable due to PersistentVolumeClaim", NULL,
	 "end the pod that has the claim for itself"},
	{"node(s) had no available disk", NULL, "end the pod that has the disk"},
	{"node(s) exceed max volume count", NULL,
	 "end pods there whose volumes the same driver attaches: it can attach no more"},
};

static void say_change(explaining *x, uint32_t slot, sp_str reason)
{
	for (size_t i = 0; i < SP_LEN(hints); i++) {
		if (!sp_str_starts(reason, sp_str_c(hints[i].reason)))
			continue;
		(void)sp_buf_str(x->out, SP_STR("    "));
		if (hints[i].say != NULL)
			hints[i].say(x, slot);
		else
			(void)sp_buf_str(x->out, sp_str_c(hints[i].text));
		(void)sp_buf_char(x->out, '\n');
		return;
	}
}

/* ---- nodes ---- */

static void print_status(explaining *x, const sched_status *s)
{
	if (s->plugin != SCHED_NO_PLUGIN)
		(void)sp_buf_printf(x->out, "%s: ", sched_plugins[s->plugin]->name);
	for (size_t i = 0; i < s->n_reasons; i++)
		(void)sp_buf_printf(x->out, "%s" SP_FMT, i == 0 ? "" : ", ", SP_ARG(s->reasons[i]));
	(void)sp_buf_char(x->out, '\n');
}

static void print_rejected(explaining *x, uint32_t slot)
{
	sched_status s;
	sched_cycle_status(&x->c, slot, &s);
	(void)sp_buf_printf(x->out, "  " SP_FMT ": no. ", SP_ARG(node_name(x, slot)));
	print_status(x, &s);
	for (size_t i = 0; i < s.n_reasons; i++)
		say_change(x, slot, s.reasons[i]);
}

static void print_scores(explaining *x, uint32_t slot)
{
	const sched_cycle *c = &x->c;
	(void)sp_buf_printf(x->out, "  " SP_FMT ": yes, %" PRId64 " points:", SP_ARG(node_name(x, slot)),
			    (int64_t)c->total[slot] + c->uniform);
	for (size_t p = 0; p < SCHED_PLUGINS_; p++) {
		if (c->score[p] != NULL)
			(void)sp_buf_printf(x->out, " %s %d", sched_plugins[p]->name, (int)c->score[p][slot]);
	}
	(void)sp_buf_char(x->out, '\n');
}

static void print_nodes(explaining *x)
{
	const sched_cycle *c = &x->c;
	int32_t best = INT32_MIN;
	SCHED_BITS_EACH (slot, c->feasible, c->n_words)
		best = SP_MAX(best, c->total[slot]);
	/* The best first, one score after the other. */
	while (best != INT32_MIN) {
		int32_t next = INT32_MIN;
		SCHED_BITS_EACH (slot, c->feasible, c->n_words) {
			if (c->total[slot] == best)
				print_scores(x, slot);
			else if (c->total[slot] < best)
				next = SP_MAX(next, c->total[slot]);
		}
		best = next;
	}
	for (uint32_t slot = 0; slot < c->st->t.n; slot++) {
		if (sched_bit(c->st->t.present, slot) && !sched_bit(c->feasible, slot))
			print_rejected(x, slot);
	}
}

/* ---- preemption ---- */

static sp_code print_preemption(explaining *x)
{
	sched_preemption p;
	SP_TRY(sched_preempt(&x->c, true, 0, &p));
	if (p.best >= p.n_candidates) {
		if (p.message.len > 0)
			(void)sp_buf_printf(x->out, "preemption: " SP_FMT "\n", SP_ARG(p.message));
		return SP_OK;
	}
	const sched_candidate *k = &p.candidates[p.best];
	(void)sp_buf_printf(
		x->out, "preemption: on " SP_FMT " these would go for it:", SP_ARG(node_name(x, k->slot)));
	for (size_t i = 0; i < k->n_victims; i++)
		(void)sp_buf_printf(x->out, " " SP_FMT, SP_ARG(k->victims[i]->key));
	(void)sp_buf_char(x->out, '\n');
	return SP_OK;
}

/* ---- the pod ---- */

static void print_head(explaining *x, const sched_pod *pod, sp_str runs_on)
{
	const sched_cycle *c = &x->c;
	(void)sp_buf_printf(x->out, "pod " SP_FMT, SP_ARG(pod->key));
	if (runs_on.len > 0)
		(void)sp_buf_printf(x->out, " is bound to " SP_FMT "; were it not, now it", SP_ARG(runs_on));
	if (c->preenqueue.verdict != SCHED_OK || c->prefilter.verdict != SCHED_OK) {
		(void)sp_buf_str(x->out, SP_STR(" is not placed on any node. "));
		print_status(x, c->preenqueue.verdict != SCHED_OK ? &c->preenqueue : &c->prefilter);
		return;
	}
	(void)sp_buf_printf(x->out, " fits on %zu of %u nodes", c->n_feasible, c->st->t.n_present);
	if (c->n_feasible > 0) {
		uint32_t slot = sched_cycle_pick(c, 0);
		(void)sp_buf_printf(x->out, "; " SP_FMT " is %s", SP_ARG(node_name(x, slot)),
				    c->n_feasible == 1 ? "the one" : "the best, or as good as the best");
	}
	(void)sp_buf_char(x->out, '\n');
}

static sp_code print_all(explaining *x, sp_str runs_on, sp_err *err)
{
	sched_pod *pod;
	yyjson_val *v = yyjson_arr_get_first(sp_json_last(x->s.root, SP_STR("pending")));
	SP_TRY(sched_snapshot_pod(&x->s, v, "the pod", &pod, err));
	sp_code code = sched_cycle_run(&x->c, pod, true);
	if (code == SP_OK) {
		print_head(x, pod, runs_on);
		if (x->c.preenqueue.verdict == SCHED_OK && x->c.prefilter.verdict == SCHED_OK)
			print_nodes(x);
		if (x->c.n_feasible == 0 && x->c.preenqueue.verdict == SCHED_OK && x->c.st->t.n_present > 0)
			code = print_preemption(x);
	}
	sched_pod_free(x->s.st, pod);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "the pod can't be decided");
}

sp_code sched_explain(sp_str snapshot, sp_str runs_on, sp_buf *out, sp_err *err)
{
	explaining x = {.out = out};
	sched_profile profile;
	sp_code code = sched_snapshot_open(&x.s, snapshot, err);
	sched_profile_default(&profile, false);
	sched_cycle_init(&x.c, x.s.st, &profile);
	x.c.detail = true;
	if (code == SP_OK)
		code = print_all(&x, runs_on, err);
	sched_cycle_done(&x.c);
	sched_snapshot_done(&x.s);
	if (code == SP_OK && sp_buf_code(out) != SP_OK)
		code = sp_fail(err, sp_buf_code(out), "no room for the explanation");
	return code;
}
