/* SPDX-License-Identifier: Apache-2.0 */
/* Pattern → syntax tree. The order of the checks is that of Go, so that a pattern with two faults gets Go's.
 */
#include "kube/regex/regex_int.h"

/* What stands between a '(' and its ')', or the whole pattern. */
struct re_frame {
	re_frame *up;
	unsigned flags; /* in force before the '(' */
	uint32_t group; /* 0: does not capture */
	re_node *first; /* what was read since the last '|' */
	re_node **last; /* the place that holds its last node, NULL: nothing read */
	re_node *alts;  /* finished alternatives */
	re_node **alts_end;
};

static bool is_char(const re_node *n)
{
	return n->op == RE_N_RUNE || n->op == RE_N_CLASS;
}

static void *no_room(re_parser *p)
{
	if (p->code == SP_OK)
		p->code = SP_ETOOLARGE;
	return NULL;
}

/* Refuses the pattern as a whole. */
static re_node *refuse_all(re_parser *p, const char *what)
{
	(void)re_refuse(p, what, p->whole);
	return NULL;
}

/* Height and size from the children, then Go's limits on both. */
static re_node *measured(re_parser *p, re_node *n)
{
	uint64_t size = 0, n_children = 0;
	unsigned height = 0;
	bool literal = n->op == RE_N_CONCAT;
	for (const re_node *c = n->first; c != NULL; c = c->next, n_children++) {
		size += c->size;
		height = SP_MAX(height, (unsigned)c->height);
		literal = literal && c->lit != RE_LIT_NONE && c->lit == n->first->lit;
	}
	uint64_t max = (uint64_t)SP_MAX(n->max, (int16_t)0), min = (uint64_t)SP_MAX(n->min, (int16_t)0);
	if (n->op == RE_N_GROUP || n->op == RE_N_STAR)
		size += 2;
	else if (n->op == RE_N_PLUS || n->op == RE_N_QUEST)
		size += 1;
	else if (n->op == RE_N_ALT)
		size += n_children - 1;
	else if (n->op == RE_N_REPEAT && n->max < 0)
		size = min == 0 ? 2 + size : 1 + min * size;
	else if (n->op == RE_N_REPEAT)
		size = max * size + (max - min);
	n->size = SP_MAX(size, UINT64_C(1));
	n->height = (uint16_t)(literal ? 1 : height + 1);
	if (n->size > RE_SIZE_MAX)
		return refuse_all(p, "expression too large");
	if (n->height > RE_HEIGHT_MAX)
		return refuse_all(p, "expression nests too deeply");
	return n;
}

static re_node *node_new(re_parser *p, re_node_op op, uint32_t arg, re_node *child)
{
	re_node *n = sp_try_new(p->arena, re_node, 1);
	if (n == NULL)
		return no_room(p);
	n->op = (uint8_t)op;
	n->arg = arg;
	n->first = child;
	return measured(p, n);
}

/* The number of the class with exactly these characters. */
static bool class_number(re_parser *p, re_set *s, uint32_t *ret)
{
	if (s->failed)
		return no_room(p) != NULL;
	sp_str key = {(const char *)s->items, s->n * sizeof(*s->items)};
	void *known = sp_map_get(&p->class_index, key);
	if (known != NULL) {
		*ret = (uint32_t)((uintptr_t)known - 1);
		return true;
	}
	if (p->n_classes == p->cap_classes) {
		uint32_t cap = SP_MAX(p->cap_classes * 2, 16u);
		re_class *grown = sp_arena_try_grow(p->arena, p->classes, p->cap_classes * sizeof(*grown),
						    cap * sizeof(*grown));
		if (grown == NULL)
			return no_room(p) != NULL;
		p->classes = grown;
		p->cap_classes = cap;
	}
	re_range *ranges = sp_try_new(p->arena, re_range, s->n);
	if (ranges == NULL)
		return no_room(p) != NULL;
	if (s->n > 0)
		memcpy(ranges, s->items, key.len);
	re_class *k = &p->classes[p->n_classes];
	*k = (re_class){.ranges = ranges, .n = s->n};
	for (uint32_t c = 0; c < 128; c++)
		k->ascii[c >> 6] |= (uint64_t)re_ranges_have(ranges, s->n, c) << (c & 63);
	key.ptr = (const char *)ranges;
	*ret = p->n_classes;
	if (sp_map_put(&p->class_index, key, (void *)(uintptr_t)(p->n_classes + 1), NULL) != SP_OK)
		return no_room(p) != NULL;
	p->n_classes++;
	return true;
}

/* Two characters that fold into each other, and no third one. */
static bool is_fold_pair(const re_set *s)
{
	if (s->n == 0 || s->n > 2)
		return false;
	uint32_t a = s->items[0].lo, b = s->items[s->n - 1].hi;
	bool two = s->n == 1 ? a + 1 == b : s->items[0].hi == a && s->items[1].lo == b;
	return two && re_fold_next(a) == b && re_fold_next(b) == a;
}

/* A node for a clean set; a single character is a literal, as in Go. */
static re_node *set_node(re_parser *p, re_set *s)
{
	uint32_t number = 0;
	p->n_runes += 2 * (uint64_t)s->n;
	if (p->n_runes > RE_RUNES_MAX)
		return refuse_all(p, "expression too large");
	if (s->n == 1 && s->items[0].lo == s->items[0].hi) {
		re_node *n = node_new(p, RE_N_RUNE, s->items[0].lo, NULL);
		if (n != NULL)
			n->lit = RE_LIT_EXACT;
		return n;
	}
	if (!class_number(p, s, &number))
		return NULL;
	re_node *n = node_new(p, RE_N_CLASS, number, NULL);
	if (n != NULL)
		n->lit = is_fold_pair(s) ? RE_LIT_FOLD : RE_LIT_NONE;
	return n;
}

static re_node *literal_node(re_parser *p, uint32_t c)
{
	bool fold = (p->flags & RE_FOLD) != 0;
	re_node *n;
	if (fold && re_fold_next(c) != c) {
		p->set.n = 0;
		re_set_add_fold(&p->set, c, c);
		re_set_clean(&p->set);
		n = set_node(p, &p->set);
	} else {
		n = node_new(p, RE_N_RUNE, c, NULL);
	}
	if (n != NULL)
		n->lit = fold ? RE_LIT_FOLD : RE_LIT_EXACT;
	return n;
}

static re_node *dot_node(re_parser *p)
{
	p->set.n = 0;
	re_set_add(&p->set, 0, (p->flags & RE_DOT_NL) != 0 ? SP_RUNE_MAX : '\n' - 1);
	if ((p->flags & RE_DOT_NL) == 0)
		re_set_add(&p->set, '\n' + 1, SP_RUNE_MAX);
	return set_node(p, &p->set);
}

/* Appends to the frame; NULL is an error already noted. */
static bool push(re_parser *p, re_node *n)
{
	re_frame *f = p->frame;
	if (n == NULL)
		return false;
	n->next = NULL;
	f->last = f->last == NULL ? &f->first : &(*f->last)->next;
	*f->last = n;
	return true;
}

/* One node for a list; children that are the same operation give theirs. */
static re_node *collapsed(re_parser *p, re_node_op op, re_node *list)
{
	if (list->next == NULL)
		return list;
	re_node *first = NULL, **end = &first;
	for (re_node *n = list, *next; n != NULL; n = next) {
		next = n->next;
		*end = n->op == op ? n->first : n;
		while (*end != NULL && *end != next)
			end = &(*end)->next;
		*end = NULL;
	}
	return node_new(p, op, 0, first);
}

static bool finish_alternative(re_parser *p)
{
	re_frame *f = p->frame;
	re_node *n =
		f->first == NULL ? node_new(p, RE_N_EMPTY, 0, NULL) : collapsed(p, RE_N_CONCAT, f->first);
	if (n == NULL)
		return false;
	f->first = NULL;
	f->last = NULL;
	*f->alts_end = n;
	f->alts_end = &n->next;
	return true;
}

/* Neighbours that are single characters become one class. */
static bool join_chars(re_parser *p, re_node **list)
{
	for (re_node **at = list; *at != NULL; at = &(*at)->next) {
		re_node *n = *at;
		if (!is_char(n) || n->next == NULL || !is_char(n->next))
			continue;
		p->set.n = 0;
		for (; n != NULL && is_char(n); n = n->next) {
			const re_class *k = n->op == RE_N_CLASS ? &p->classes[n->arg] : NULL;
			for (uint32_t i = 0; k != NULL && i < k->n; i++)
				re_set_add(&p->set, k->ranges[i].lo, k->ranges[i].hi);
			if (k == NULL)
				re_set_add(&p->set, n->arg, n->arg);
		}
		re_set_clean(&p->set);
		re_node *joined = set_node(p, &p->set);
		if (joined == NULL)
			return false;
		joined->lit = RE_LIT_NONE;
		joined->next = n;
		*at = joined;
	}
	return true;
}

/* The frame's content as one node. */
static re_node *finish_frame(re_parser *p)
{
	re_frame *f = p->frame;
	if (!finish_alternative(p) || !join_chars(p, &f->alts))
		return NULL;
	return collapsed(p, RE_N_ALT, f->alts);
}

static bool frame_open(re_parser *p, uint32_t group)
{
	re_frame *f = sp_try_new(p->arena, re_frame, 1);
	if (f == NULL)
		return no_room(p) != NULL;
	*f = (re_frame){.up = p->frame, .flags = p->flags, .group = group};
	f->alts_end = &f->alts;
	p->frame = f;
	return true;
}

static bool group_open(re_parser *p, sp_str name)
{
	if (p->n_groups + 1 >= p->cap_names) {
		uint32_t cap = SP_MAX(p->cap_names * 2, 16u);
		sp_str *grown = sp_arena_try_grow(p->arena, p->names, p->cap_names * sizeof(*grown),
						  cap * sizeof(*grown));
		if (grown == NULL)
			return no_room(p) != NULL;
		p->names = grown;
		p->cap_names = cap;
	}
	p->names[++p->n_groups] = name;
	return frame_open(p, p->n_groups);
}

static bool frame_close(re_parser *p)
{
	re_node *n = finish_frame(p);
	re_frame *f = p->frame;
	if (n == NULL)
		return false;
	if (f->up == NULL)
		return re_refuse(p, "unexpected )", p->whole);
	p->frame = f->up;
	p->flags = f->flags;
	return push(p, f->group == 0 ? n : node_new(p, RE_N_GROUP, f->group, n));
}

/* "(?P<name>" or "(?<name>": `skip` bytes, then the name. */
static bool named_group(re_parser *p, size_t skip)
{
	uint32_t c;
	ptrdiff_t end = sp_str_index(p->rest, '>');
	sp_str name = sp_str_sub(p->rest, skip, end < 0 ? p->rest.len : (size_t)end), left = name;
	if (end < 0)
		left = p->rest;
	for (sp_str s = left; s.len > 0;) {
		if (!re_next_rune(p, &s, &c))
			return false;
	}
	if (end < 0)
		return re_refuse(p, "invalid named capture", p->rest);
	bool valid = name.len > 0;
	for (size_t i = 0; i < name.len; i++)
		valid = valid && re_is_word((unsigned char)name.ptr[i]);
	if (!valid)
		return re_refuse(p, "invalid named capture", sp_str_sub(p->rest, 0, (size_t)end + 1));
	p->rest = sp_str_sub(p->rest, (size_t)end + 1, p->rest.len);
	return group_open(p, name);
}

/* "(?flags)" and "(?flags:". */
static bool flags_or_group(re_parser *p)
{
	static const char letters[] = "imsU";
	static const unsigned bits[] = {RE_FOLD, RE_MULTI_LINE, RE_DOT_NL, RE_SWAP_GREED};
	sp_str in = sp_str_sub(p->rest, 2, p->rest.len);
	unsigned flags = p->flags;
	bool negative = false, any = false;
	while (in.len > 0) {
		uint32_t c;
		if (!re_next_rune(p, &in, &c))
			return false;
		const char *letter = c < 128 && c != 0 ? strchr(letters, (int)c) : NULL;
		if (letter != NULL) {
			unsigned bit = bits[letter - letters];
			flags = negative ? flags & ~bit : flags | bit;
			any = true;
		} else if (c == '-' && !negative) {
			negative = true;
			any = false;
		} else if ((c == ':' || c == ')') && (!negative || any)) {
			p->rest = in;
			if (c == ':' && !frame_open(p, 0))
				return false;
			p->flags = flags;
			return true;
		} else {
			break;
		}
	}
	return re_refuse(p, "invalid or unsupported Perl syntax",
			 sp_str_sub(p->rest, 0, p->rest.len - in.len));
}

static bool open_paren(re_parser *p)
{
	sp_str t = p->rest;
	if (t.len > 4 && sp_str_starts(t, SP_STR("(?P<")))
		return named_group(p, 4);
	if (t.len > 3 && sp_str_starts(t, SP_STR("(?<")))
		return named_group(p, 3);
	if (sp_str_starts(t, SP_STR("(?")))
		return flags_or_group(p);
	p->rest = sp_str_sub(t, 1, t.len);
	return group_open(p, SP_STR(""));
}

/* Whether the innermost thing is repeated at most n times by what stands around it. */
static bool repeats_at_most(const re_node *r, int n)
{
	if (r->op == RE_N_REPEAT) {
		int m = r->max < 0 ? r->min : r->max;
		if (r->max == 0)
			return true;
		if (m > n)
			return false;
		if (m > 0)
			n /= m;
	}
	for (const re_node *c = r->first; c != NULL; c = c->next) {
		if (!repeats_at_most(c, n))
			return false;
	}
	return true;
}

/* The operator `op` at p->rest was read up to `after`; `before_op`: the operator right before it, or empty.
 */
static bool repeat(re_parser *p, re_node_op op, int min, int max, sp_str after, sp_str before_op)
{
	re_frame *f = p->frame;
	bool lazy = (p->flags & RE_SWAP_GREED) != 0;
	if (sp_str_take(&after, SP_STR("?")))
		lazy = !lazy;
	sp_str text = sp_str_sub(p->rest, 0, p->rest.len - after.len);
	if (before_op.ptr != NULL)
		return re_refuse(p, "invalid nested repetition operator",
				 (sp_str){before_op.ptr, before_op.len - after.len});
	if (f->last == NULL)
		return re_refuse(p, "missing argument to repetition operator", text);
	re_node *n = sp_try_new(p->arena, re_node, 1);
	if (n == NULL)
		return no_room(p) != NULL;
	*n = (re_node){.op = (uint8_t)op, .lazy = lazy, .min = (int16_t)min, .max = (int16_t)max};
	n->first = *f->last;
	*f->last = n;
	if (measured(p, n) == NULL)
		return false;
	if (op == RE_N_REPEAT && (min >= 2 || max >= 2) && !repeats_at_most(n, RE_REPEAT_MAX))
		return re_refuse(p, "invalid repeat count", text);
	if (op == RE_N_REPEAT && min <= 1 && max < 0)
		n->op = min == 0 ? RE_N_STAR : RE_N_PLUS;
	if (op == RE_N_REPEAT && min == 0 && max == 1)
		n->op = RE_N_QUEST;
	p->rest = after;
	return true;
}

/* Digits without a leading zero; what is beyond 10^8 is -1. */
static bool count_number(sp_str *in, int *ret)
{
	size_t n = 0;
	int v = 0;
	while (n < in->len && in->ptr[n] >= '0' && in->ptr[n] <= '9') {
		v = v < 0 || v >= 100000000 ? -1 : v * 10 + (in->ptr[n] - '0');
		n++;
	}
	if (n == 0 || (n > 1 && in->ptr[0] == '0'))
		return false;
	*in = sp_str_sub(*in, n, in->len);
	*ret = v;
	return true;
}

/* "{n}", "{n,}", "{n,m}"; anything else is no operator. Counts that are too large give min -1. */
static bool counts(sp_str *in, int *min, int *max)
{
	if (!sp_str_take(in, SP_STR("{")) || !count_number(in, min))
		return false;
	*max = *min;
	if (sp_str_take(in, SP_STR(","))) {
		if (in->len > 0 && in->ptr[0] == '}')
			*max = -1;
		else if (!count_number(in, max))
			return false;
		else if (*max < 0)
			*min = -1;
	}
	return sp_str_take(in, SP_STR("}"));
}

static bool braces(re_parser *p, sp_str before_op, bool *ret_is_op)
{
	int min, max;
	sp_str after = p->rest;
	*ret_is_op = counts(&after, &min, &max);
	if (!*ret_is_op) {
		p->rest = sp_str_sub(p->rest, 1, p->rest.len);
		return push(p, literal_node(p, '{'));
	}
	if (min < 0 || min > RE_REPEAT_MAX || max > RE_REPEAT_MAX || (max >= 0 && min > max))
		return re_refuse(p, "invalid repeat count", sp_str_sub(p->rest, 0, p->rest.len - after.len));
	return repeat(p, RE_N_REPEAT, min, max, after, before_op);
}

static bool push_assert(re_parser *p, unsigned bit, size_t n_bytes)
{
	p->rest = sp_str_sub(p->rest, n_bytes, p->rest.len);
	return push(p, node_new(p, RE_N_ASSERT, bit, NULL));
}

/* \Q up to \E or the end. */
static bool quoted(re_parser *p)
{
	uint32_t c;
	sp_str lit = sp_str_sub(p->rest, 2, p->rest.len);
	ptrdiff_t end = sp_str_find(lit, SP_STR("\\E"));
	p->rest = end < 0 ? (sp_str){NULL, 0} : sp_str_sub(lit, (size_t)end + 2, lit.len);
	if (end >= 0)
		lit = sp_str_sub(lit, 0, (size_t)end);
	while (lit.len > 0) {
		if (!re_next_rune(p, &lit, &c) || !push(p, literal_node(p, c)))
			return false;
	}
	return true;
}

static bool backslash(re_parser *p)
{
	uint32_t c;
	bool is_class;
	switch (p->rest.len >= 2 ? p->rest.ptr[1] : '\0') {
	case 'A':
		return push_assert(p, RE_BEGIN_TEXT, 2);
	case 'z':
		return push_assert(p, RE_END_TEXT, 2);
	case 'b':
		return push_assert(p, RE_WORD, 2);
	case 'B':
		return push_assert(p, RE_NO_WORD, 2);
	case 'C': /* one byte: no characters in that */
		return re_refuse(p, "invalid escape sequence", sp_str_sub(p->rest, 0, 2));
	case 'Q':
		return quoted(p);
	default:
		break;
	}
	p->set.n = 0;
	if (!re_escape_class(p, &p->rest, &p->set, &is_class))
		return false;
	if (is_class) {
		re_set_clean(&p->set);
		return push(p, set_node(p, &p->set));
	}
	return re_escape(p, &p->rest, &c) && push(p, literal_node(p, c));
}

/* What begins at p->rest. *before_op is the repetition operator right before it; set to this one, or empty.
 */
static bool step(re_parser *p, sp_str *before_op)
{
	static const re_node_op repeats[] = {['*'] = RE_N_STAR, ['+'] = RE_N_PLUS, ['?'] = RE_N_QUEST};
	sp_str here = p->rest, tail = sp_str_sub(p->rest, 1, p->rest.len), before = *before_op;
	bool multi_line = (p->flags & RE_MULTI_LINE) != 0, is_op = false;
	uint32_t c;
	*before_op = (sp_str){NULL, 0};
	switch (here.ptr[0]) {
	case '(':
		return open_paren(p);
	case '|':
		p->rest = tail;
		return finish_alternative(p);
	case ')':
		p->rest = tail;
		return frame_close(p);
	case '^':
		return push_assert(p, multi_line ? RE_BEGIN_LINE : RE_BEGIN_TEXT, 1);
	case '$':
		return push_assert(p, multi_line ? RE_END_LINE : RE_END_TEXT, 1);
	case '.':
		p->rest = tail;
		return push(p, dot_node(p));
	case '[':
		return re_bracket(p, &p->rest) && push(p, set_node(p, &p->set));
	case '*':
	case '+':
	case '?':
		*before_op = here;
		return repeat(p, repeats[(int)here.ptr[0]], 0, 0, tail, before);
	case '{':
		if (!braces(p, before, &is_op))
			return false;
		*before_op = is_op ? here : (sp_str){NULL, 0};
		return true;
	case '\\':
		return backslash(p);
	default:
		return re_next_rune(p, &p->rest, &c) && push(p, literal_node(p, c));
	}
}

re_node *re_parse(re_parser *p)
{
	sp_str before_op = {NULL, 0};
	p->rest = p->whole;
	p->set.arena = p->other.arena = p->arena;
	if (!frame_open(p, 0))
		return NULL;
	while (p->rest.len > 0) {
		if (!step(p, &before_op))
			return NULL;
	}
	re_node *n = finish_frame(p);
	if (n != NULL && p->frame->up != NULL)
		return refuse_all(p, "missing closing )");
	return p->code == SP_OK ? n : NULL;
}
