/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All ways through the program in step, one character after another, in order of preference: the leftmost
 * match by the first alternative that succeeds, with its groups. Each instruction is at most once in a list,
 * so a step costs no more than the program is long.
 */
#include "kube/regex/regex_int.h"

/* Where groups begin and end on one way. */
typedef struct marks {
	struct marks *next; /* in the list of free ones */
	uint32_t at[];
} marks;

typedef struct way {
	uint32_t inst;
	marks *marks; /* NULL when nobody asks */
} way;

typedef struct way_list {
	way *items;
	uint32_t n;
} way_list;

/* Still to be followed: an instruction, or (inst UINT32_MAX) a mark to be put back. */
typedef struct pending {
	uint32_t inst, slot, old;
} pending;

typedef struct machine {
	const sp_regex *re;
	sp_arena *scratch;
	uint32_t n_slots, *now; /* marks of the way being followed */
	uint32_t *seen, round;  /* the round in which an instruction was last added */
	pending *stack;
	marks *spare;
	way_list lists[2];
} machine;

static bool init(machine *m, const sp_regex *re, sp_arena *scratch, uint32_t n_slots)
{
	*m = (machine){.re = re, .scratch = scratch, .n_slots = n_slots};
	m->now = sp_try_new(scratch, uint32_t, n_slots);
	m->seen = sp_try_new(scratch, uint32_t, re->n_insts);
	m->stack = sp_try_new(scratch, pending, (size_t)re->n_insts + 1);
	m->lists[0].items = sp_try_new(scratch, way, re->n_insts);
	m->lists[1].items = sp_try_new(scratch, way, re->n_insts);
	return m->now != NULL && m->seen != NULL && m->stack != NULL && m->lists[0].items != NULL &&
	       m->lists[1].items != NULL;
}

static bool append(machine *m, way_list *l, uint32_t inst)
{
	way *w = &l->items[l->n];
	*w = (way){.inst = inst};
	if (m->n_slots > 0) {
		w->marks = m->spare;
		if (w->marks != NULL)
			m->spare = w->marks->next;
		else
			w->marks =
				sp_arena_try_alloc(m->scratch, sizeof(marks) + m->n_slots * sizeof(uint32_t));
		if (w->marks == NULL)
			return false;
		memcpy(w->marks->at, m->now, m->n_slots * sizeof(uint32_t));
	}
	l->n++;
	return true;
}

static void release(machine *m, const way *w)
{
	if (w->marks != NULL) {
		w->marks->next = m->spare;
		m->spare = w->marks;
	}
}

/* Adds all that is reached from `inst` without a character, in order of preference. False: no room. */
static bool follow(machine *m, way_list *l, uint32_t inst, uint32_t at, unsigned holds)
{
	size_t n = 0;
	m->stack[n++] = (pending){.inst = inst};
	while (n > 0) {
		pending p = m->stack[--n];
		if (p.inst == UINT32_MAX) {
			m->now[p.slot] = p.old;
			continue;
		}
		for (uint32_t i = p.inst; m->seen[i] != m->round;) {
			const re_inst *in = &m->re->insts[i];
			m->seen[i] = m->round;
			if (in->op == RE_I_ALT) {
				m->stack[n++] = (pending){.inst = in->arg};
			} else if (in->op == RE_I_SLOT) {
				if (in->arg < m->n_slots) {
					m->stack[n++] = (pending){UINT32_MAX, in->arg, m->now[in->arg]};
					m->now[in->arg] = at;
				}
			} else if (in->op == RE_I_ASSERT) {
				if ((in->arg & ~holds) != 0)
					break;
			} else if (in->op != RE_I_NOP) {
				if (!append(m, l, i))
					return false;
				break;
			}
			i = in->out;
		}
	}
	return true;
}

/* One character (or the end) for every way of `from`. *found is set by a way that has arrived. */
static bool step(machine *m, way_list *from, way_list *to, uint32_t c, uint32_t at, uint32_t next_at,
		 unsigned next_holds, uint32_t *slots, bool *found)
{
	uint32_t i = 0;
	bool room = true;
	m->round++;
	to->n = 0;
	for (; i < from->n && room; i++) {
		const way *w = &from->items[i];
		const re_inst *in = &m->re->insts[w->inst];
		if (in->op == RE_I_MATCH) {
			/* Ways after this one are less preferred. */
			*found = true;
			if (m->n_slots > 0) {
				memcpy(slots, w->marks->at, m->n_slots * sizeof(*slots));
				slots[1] = at;
			}
			break;
		}
		if (c == RE_NO_CHAR || !re_inst_takes(m->re, in, c)) {
			release(m, w);
			continue;
		}
		if (m->n_slots > 0)
			memcpy(m->now, w->marks->at, m->n_slots * sizeof(*m->now));
		release(m, w);
		room = follow(m, to, in->out, next_at, next_holds);
	}
	for (; i < from->n; i++)
		release(m, &from->items[i]);
	from->n = 0;
	return room;
}

static size_t decode(sp_str text, size_t at, uint32_t *ret)
{
	*ret = RE_NO_CHAR;
	return at < text.len ? sp_utf8_decode((sp_str){text.ptr + at, text.len - at}, ret) : 0;
}

static uint32_t before_of(sp_str text, size_t at)
{
	uint32_t c = RE_NO_CHAR;
	if (at > 0)
		(void)sp_utf8_decode_last((sp_str){text.ptr, at}, &c);
	return c;
}

unsigned re_holds(uint32_t before, uint32_t after)
{
	unsigned bits = re_is_word(before) != re_is_word(after) ? RE_WORD : RE_NO_WORD;
	if (before == RE_NO_CHAR)
		bits |= RE_BEGIN_TEXT;
	if (before == RE_NO_CHAR || before == '\n')
		bits |= RE_BEGIN_LINE;
	if (after == RE_NO_CHAR)
		bits |= RE_END_TEXT;
	if (after == RE_NO_CHAR || after == '\n')
		bits |= RE_END_LINE;
	return bits;
}

/* With no way under way: where a match may begin at or after `at`. False: nowhere. */
static bool seek(const sp_regex *re, sp_str text, size_t *at)
{
	if (re->anchored)
		return *at == 0;
	if (re->prefix.len == 0)
		return true;
	ptrdiff_t i = sp_str_find(sp_str_sub(text, *at, text.len), re->prefix);
	*at += i < 0 ? 0 : (size_t)i;
	return i >= 0;
}

sp_code re_pike(const sp_regex *re, sp_str text, size_t from, sp_arena *scratch, uint32_t *slots,
		uint32_t n_slots, bool *ret)
{
	machine m;
	bool found = false;
	if (!init(&m, re, scratch, n_slots))
		return SP_ETOOLARGE;
	way_list *now = &m.lists[0], *next = &m.lists[1];
	uint32_t before = before_of(text, from), c, after;
	size_t at = from, width = decode(text, at, &c);
	m.round = 1;
	for (;;) {
		if (now->n == 0) {
			size_t begin = at;
			if (found || !seek(re, text, &at))
				break;
			if (at != begin) {
				before = before_of(text, at);
				width = decode(text, at, &c);
			}
		}
		if (!found) {
			if (n_slots > 0) {
				memset(m.now, 0xff, n_slots * sizeof(*m.now));
				m.now[0] = (uint32_t)at;
			}
			if (!follow(&m, now, re->start, (uint32_t)at, re_holds(before, c)))
				return SP_ETOOLARGE;
		}
		size_t next_width = decode(text, at + width, &after);
		if (!step(&m, now, next, c, (uint32_t)at, (uint32_t)(at + width), re_holds(c, after), slots,
			  &found))
			return SP_ETOOLARGE;
		if (c == RE_NO_CHAR || (found && n_slots == 0))
			break;
		way_list *t = now;
		now = next;
		next = t;
		before = c;
		c = after;
		at += width;
		width = next_width;
	}
	*ret = found;
	return SP_OK;
}
