/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/simulate.h"

#include <stdio.h>

#include "base/json_out.h"
#include "scheduler/plugins/volumes.h"
#include "scheduler/preempt.h"
#include "scheduler/snapshot.h"

static sp_str node_name(const sched_cycle *c, uint32_t slot)
{
	return c->st->t.nodes[slot]->name;
}

static sp_str plugin_name(uint8_t plugin)
{
	return plugin == SCHED_NO_PLUGIN ? SP_STR("") : sp_str_c(sched_plugins[plugin]->name);
}

static void print_status(sp_jout *j, const sched_status *s)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("plugin"), plugin_name(s->plugin));
	sp_jout_member_str(j, SP_STR("code"),
			   s->verdict == SCHED_UNSCHEDULABLE ? SP_STR("Unschedulable")
							     : SP_STR("UnschedulableAndUnresolvable"));
	sp_jout_member_strs(j, SP_STR("reasons"), s->reasons, s->n_reasons);
	sp_jout_close(j, '}');
}

static void print_rejected(sp_jout *j, sched_cycle *c)
{
	sp_jout_member_open(j, SP_STR("rejected"), '{');
	bool looked = c->preenqueue.verdict == SCHED_OK && c->prefilter.verdict == SCHED_OK;
	for (uint32_t slot = 0; looked && slot < c->st->t.n; slot++) {
		sched_status s;
		if (!sched_bit(c->st->t.present, slot) || sched_bit(c->feasible, slot))
			continue;
		sched_cycle_status(c, slot, &s);
		sp_jout_key(j, node_name(c, slot));
		print_status(j, &s);
	}
	sp_jout_close(j, '}');
}

/* -- scores --------------------------------------------------------------------------------------------- */

static void print_weighted(sp_jout *j, const sched_cycle *c, size_t p, uint32_t slot)
{
	sp_jout_member_i64(j, sp_str_c(sched_plugins[p]->name), c->score[p][slot]);
}

static void print_raw(sp_jout *j, const sched_cycle *c, size_t p, uint32_t slot)
{
	sp_jout_member_i64(j, sp_str_c(sched_plugins[p]->name), c->raw[p][slot]);
}

static void print_scores(sp_jout *j, const sched_cycle *c, sp_str member,
			 void (*one)(sp_jout *j, const sched_cycle *c, size_t p, uint32_t slot))
{
	sp_jout_member_open(j, member, '{');
	SCHED_BITS_EACH (slot, c->feasible, c->n_words) {
		sp_jout_member_open(j, node_name(c, slot), '{');
		for (size_t p = 0; p < SCHED_PLUGINS_; p++) {
			if (c->score[p] != NULL)
				one(j, c, p, slot);
		}
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, '}');
}

/* The nodes of the best total; a fitting nomination is the only one. */
static bool is_best(const sched_cycle *c, uint32_t slot, int32_t best)
{
	return c->nominated_slot != SCHED_NO_DOMAIN ? slot == c->nominated_slot : c->total[slot] == best;
}

static void print_best(sp_jout *j, const sched_cycle *c)
{
	int32_t best = INT32_MIN;
	sp_jout_member_open(j, SP_STR("totals"), '{');
	SCHED_BITS_EACH (slot, c->feasible, c->n_words) {
		best = SP_MAX(best, c->total[slot]);
		sp_jout_member_i64(j, node_name(c, slot), c->total[slot] + c->uniform);
	}
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("best"), '[');
	sp_str pick = {0};
	SCHED_BITS_EACH (slot, c->feasible, c->n_words) {
		if (!is_best(c, slot, best))
			continue;
		sp_jout_str(j, node_name(c, slot));
		if (pick.ptr == NULL || sp_str_cmp(node_name(c, slot), pick) < 0)
			pick = node_name(c, slot);
	}
	sp_jout_close(j, ']');
	if (pick.ptr != NULL)
		sp_jout_member_str(j, SP_STR("node"), pick);
}

static sp_str first_best(const sched_cycle *c);

/* What the claims that wait for their first consumer would get there: a volume, or a new one. */
static void print_volumes(sp_jout *j, sched_cycle *c)
{
	const sched_node *node = c->n_feasible == 0 ? NULL : sched_find_node(c->st, first_best(c));
	size_t n = node == NULL ? 0 : sched_volumes_plan(c, node->slot);
	if (n == 0)
		return;
	sp_jout_member_open(j, SP_STR("volumes"), '{');
	for (size_t i = 0; i < n; i++) {
		const sched_delayed *d = &c->volumes->delayed[i];
		sp_jout_member_str(j, d->claim->key, d->chosen == NULL ? SP_STR("") : d->chosen->name);
	}
	sp_jout_close(j, '}');
}

/* Where a sequence places the pod: the smallest name among the best. */
static sp_str first_best(const sched_cycle *c)
{
	int32_t best = INT32_MIN;
	sp_str pick = {0};
	SCHED_BITS_EACH (slot, c->feasible, c->n_words)
		best = SP_MAX(best, c->total[slot]);
	SCHED_BITS_EACH (slot, c->feasible, c->n_words) {
		if (is_best(c, slot, best) && (pick.ptr == NULL || sp_str_cmp(node_name(c, slot), pick) < 0))
			pick = node_name(c, slot);
	}
	return pick;
}

/* -- preemption ----------------------------------------------------------------------------------------- */

static void print_candidate(sp_jout *j, const sched_cycle *c, const sched_candidate *k)
{
	sp_jout_member_open(j, node_name(c, k->slot), '{');
	sp_jout_member_open(j, SP_STR("victims"), '[');
	for (size_t i = 0; i < k->n_victims; i++)
		sp_jout_str(j, k->victims[i]->key);
	sp_jout_close(j, ']');
	sp_jout_member_i64(j, SP_STR("pdbViolations"), (int64_t)k->n_violations);
	sp_jout_close(j, '}');
}

static sp_code print_preemption(sp_jout *j, sched_cycle *c)
{
	sched_preemption p;
	SP_TRY(sched_preempt(c, true, 0, &p));
	sp_jout_member_open(j, SP_STR("preemption"), '{');
	sp_jout_member_bool(j, SP_STR("eligible"), p.eligible);
	sp_jout_member_open(j, SP_STR("candidates"), '{');
	for (size_t i = 0; i < p.n_candidates; i++)
		print_candidate(j, c, &p.candidates[i]);
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("rejected"), '{');
	for (size_t i = 0; i < p.n_tried; i++) {
		sp_jout_key(j, node_name(c, p.tried[i].slot));
		print_status(j, &p.tried[i].why);
	}
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("chosen"), '[');
	for (size_t i = 0; i < p.n_candidates; i++) {
		if (sched_preempt_is_best(&p, i))
			sp_jout_str(j, node_name(c, p.candidates[i].slot));
	}
	sp_jout_close(j, ']');
	if (p.best < p.n_candidates)
		sp_jout_member_str(j, SP_STR("node"), node_name(c, p.candidates[p.best].slot));
	if (p.message.len > 0)
		sp_jout_member_str(j, SP_STR("message"), p.message);
	sp_jout_close(j, '}');
	return SP_OK;
}

/* -- decisions ------------------------------------------------------------------------------------------ */

static sp_code print_failure(sp_jout *j, sched_cycle *c, bool preempt)
{
	if (c->st->t.n_present == 0) {
		sp_jout_member_str(j, SP_STR("message"), SP_STR("no nodes available to schedule pods"));
		return SP_OK;
	}
	sp_str message = sched_cycle_message(c);
	if (message.ptr == NULL)
		return SP_ENOMEM;
	sp_jout_member_str(j, SP_STR("message"), message);
	return preempt ? print_preemption(j, c) : SP_OK;
}

static sp_code print_decision(sp_jout *j, sched_cycle *c, const sched_pod *pod, bool preempt)
{
	SP_TRY(sched_cycle_run(c, pod, true));
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("pod"), pod->key);
	if (c->preenqueue.verdict != SCHED_OK) {
		sp_jout_key(j, SP_STR("preenqueue"));
		print_status(j, &c->preenqueue);
	}
	if (c->prefilter.verdict != SCHED_OK) {
		sp_jout_key(j, SP_STR("prefilter"));
		print_status(j, &c->prefilter);
	}
	print_rejected(j, c);
	print_scores(j, c, SP_STR("raw"), print_raw);
	print_scores(j, c, SP_STR("scores"), print_weighted);
	print_best(j, c);
	print_volumes(j, c);
	if (c->n_feasible == 0 && c->preenqueue.verdict == SCHED_OK)
		SP_TRY(print_failure(j, c, preempt));
	sp_jout_close(j, '}');
	return SP_OK;
}

static sp_code decide_pending(sched_snapshot *s, sched_cycle *c, sp_jout *j, sp_err *err)
{
	size_t n = 0;
	yyjson_arr_iter it = yyjson_arr_iter_with(sp_json_last(s->root, SP_STR("pending")));
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; n++) {
		char where[64];
		sched_pod *pod;
		(void)snprintf(where, sizeof where, "pending[%zu]", n);
		SP_TRY(sched_snapshot_pod(s, v, where, &pod, err));
		sp_code code = print_decision(j, c, pod, true);
		sched_pod_free(s->st, pod);
		if (code != SP_OK)
			return sp_fail(err, code, "%s: no memory", where);
	}
	return SP_OK;
}

static sp_code assume_volumes(sched_cycle *c, sp_str node)
{
	size_t n = sched_volumes_plan(c, sched_find_node(c->st, node)->slot);
	for (size_t i = 0; i < n; i++) {
		const sched_delayed *d = &c->volumes->delayed[i];
		SP_TRY(d->chosen != NULL
			       ? sched_assume_volume(c->st, d->chosen->name, d->claim->key, d->claim->uid)
			       : sched_assume_claim(c->st, d->claim->key, node));
	}
	return SP_OK;
}

static sp_code place(sched_snapshot *s, sched_cycle *c, sched_pod *pod)
{
	sp_str node = c->n_feasible == 0 ? (sp_str){0} : first_best(c);
	if (node.ptr == NULL) {
		sched_pod_free(s->st, pod);
		return SP_OK;
	}
	SP_TRY(sched_put_pod(s->st, pod));
	SP_TRY(assume_volumes(c, node));
	return sched_assume(s->st, pod, node);
}

static sp_code run_steps(sched_snapshot *s, sched_cycle *c, sp_jout *j, sp_err *err)
{
	size_t n = 0;
	yyjson_arr_iter it = yyjson_arr_iter_with(sp_json_last(s->root, SP_STR("steps")));
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; n++) {
		char where[64];
		sched_pod *pod;
		(void)snprintf(where, sizeof where, "steps[%zu]", n);
		SP_TRY(sched_snapshot_step(s, v, where, &pod, err));
		if (pod == NULL)
			continue;
		sp_code code = print_decision(j, c, pod, false);
		if (code == SP_OK)
			code = place(s, c, pod);
		else
			sched_pod_free(s->st, pod);
		if (code != SP_OK)
			return sp_fail(err, code, "%s: no memory", where);
	}
	return SP_OK;
}

sp_code sched_simulate(sp_str snapshot, sp_buf *out, sp_err *err)
{
	sched_snapshot s;
	sched_profile profile;
	sched_cycle c;
	sp_jout j = sp_jout_to(out);
	sp_code code = sched_snapshot_open(&s, snapshot, err);
	sched_profile_default(&profile, false);
	sched_cycle_init(&c, s.st, &profile);
	c.detail = true;
	if (code == SP_OK) {
		sp_jout_open(&j, '{');
		sp_jout_member_open(&j, SP_STR("decisions"), '[');
		code = sp_json_last(s.root, SP_STR("steps")) != NULL ? run_steps(&s, &c, &j, err)
								     : decide_pending(&s, &c, &j, err);
		sp_jout_close(&j, ']');
		sp_jout_close(&j, '}');
	}
	sched_cycle_done(&c);
	sched_snapshot_done(&s);
	if (code == SP_OK && sp_buf_code(out) != SP_OK)
		code = sp_fail(err, sp_buf_code(out), "no room for the decisions");
	return code;
}
