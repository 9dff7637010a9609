/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done about a volume at a node, from what is known. U: kubernetes
 * pkg/controller/volume/attachdetach/reconciler, pkg/volume/csi/csi_attacher.go,
 * pkg/util/goroutinemap/exponentialbackoff.
 */
#include "controllers/attach_int.h"

#define PAUSE_NS (UINT64_C(500) * 1000000)
#define PAUSE_MOST_NS (UINT64_C(122) * 1000000000)

/* ---- pauses ---- */

void att_pause_fail(att_pause *p, bool of_detach, uint64_t now_ns)
{
	uint64_t next = p->for_ns == 0 || p->of_detach != of_detach ? PAUSE_NS : 2 * p->for_ns;
	*p = (att_pause){.since_ns = now_ns, .for_ns = SP_MIN(next, PAUSE_MOST_NS), .of_detach = of_detach};
}

uint64_t att_pause_left_ns(const att_pause *p, bool of_detach, uint64_t now_ns)
{
	if (p->for_ns == 0 || p->of_detach != of_detach || now_ns - p->since_ns > p->for_ns)
		return 0;
	return p->for_ns - (now_ns - p->since_ns) + 1;
}

/* ---- what was begun ---- */

static att_news end_op(att_place *p, att_news news)
{
	p->op = ATT_IDLE;
	if (news == ATT_ATTACHED)
		p->is_sure = true;
	if (news != ATT_ATTACHED)
		p->is_sure = false; /* also when it failed: nobody knows */
	if (news == ATT_ATTACHED || news == ATT_DETACHED)
		p->is_pulled = false;
	return news;
}

static att_news settle_attaching(att_place *p, const att_facts *f)
{
	p->op_seen = p->op_seen || f->has_attachment;
	if (f->has_attachment && f->is_going)
		return end_op(p, ATT_ATTACH_FAILED);
	if (f->is_attached)
		return end_op(p, ATT_ATTACHED);
	if (f->attach_failed)
		return end_op(p, ATT_ATTACH_FAILED);
	if (p->op_seen && !f->has_attachment)
		return end_op(p, ATT_LOST);
	return f->now_ns - p->op_since_ns >= ATT_OP_NS ? end_op(p, ATT_ATTACH_LATE) : ATT_NO_NEWS;
}

static att_news settle_detaching(att_place *p, const att_facts *f)
{
	if (!f->has_attachment)
		return end_op(p, ATT_DETACHED);
	if (f->detach_failed || f->now_ns - p->op_since_ns >= ATT_OP_NS)
		return end_op(p, ATT_DETACH_FAILED);
	return ATT_NO_NEWS;
}

att_news att_settle(att_place *p, const att_facts *f)
{
	if (!p->looked_at) {
		p->looked_at = true;
		p->is_sure = f->is_listed;
	}
	if (f->has_node)
		p->is_in_use = f->is_in_use;
	if (p->attachment[0] == '\0') /* nobody is waited for */
		return ATT_NO_NEWS;
	if (p->op == ATT_ATTACHING)
		return settle_attaching(p, f);
	if (p->op == ATT_DETACHING)
		return settle_detaching(p, f);
	return p->is_sure && !f->is_attached ? end_op(p, ATT_LOST) : ATT_NO_NEWS;
}

/* ---- what is to be begun ---- */

static void look_again(uint64_t *again_ns, uint64_t after_ns)
{
	if (*again_ns == 0 || after_ns < *again_ns)
		*again_ns = after_ns;
}

att_step att_decide_detach(att_place *p, att_pause *pause, const att_facts *f, uint64_t *ret_again_ns)
{
	if (p->op != ATT_IDLE || !(f->has_attachment || p->is_sure || f->is_listed))
		return ATT_REST;
	uint64_t left = att_pause_left_ns(pause, true, f->now_ns);
	if (left > 0) {
		look_again(ret_again_ns, left);
		return ATT_REST;
	}
	p->told_taken = false;
	if (p->unwanted_since_ns == 0)
		p->unwanted_since_ns = f->now_ns;
	uint64_t waited = f->now_ns - p->unwanted_since_ns;
	bool late = waited > ATT_UNMOUNT_NS && !f->never_force;
	bool force = late && !(f->has_node && f->node_is_ready);
	if (p->is_in_use && !force && !f->node_is_out) {
		if (!late && !f->never_force)
			look_again(ret_again_ns, ATT_UNMOUNT_NS - waited + 1);
		return ATT_REST;
	}
	if (f->is_listed)
		return ATT_PULL;
	if (p->node->is_writing) /* its end looks here again */
		return ATT_REST;
	return late || f->node_is_out ? ATT_DETACH_FORCE : ATT_DETACH;
}

bool att_may_attach(att_place *p, const att_pause *pause, const att_facts *f, bool is_busy_elsewhere,
		    uint64_t *ret_again_ns)
{
	p->unwanted_since_ns = 0;
	if (p->op != ATT_IDLE || p->is_sure || is_busy_elsewhere)
		return false;
	uint64_t left = att_pause_left_ns(pause, false, f->now_ns);
	if (left > 0)
		look_again(ret_again_ns, left);
	return left == 0;
}
