/* SPDX-License-Identifier: Apache-2.0 */
/* Syntax tree → program, and the compilation as a whole. */
#include "base/buf.h"
#include "base/limits.h"
#include "kube/regex/regex_int.h"

/* Unfilled targets, linked through themselves: instruction * 2, + 1 for its arg; 0 is none. */
typedef struct holes {
	uint32_t head, tail;
} holes;

typedef struct frag {
	uint32_t start;
	holes out;
	bool nullable; /* may take nothing */
} frag;

typedef struct emitter {
	sp_arena *arena;
	re_inst *insts;
	uint32_t n, cap;
	bool failed;
} emitter;

static uint32_t emit(emitter *e, re_op op, uint32_t arg)
{
	if (e->n == e->cap) {
		re_inst *grown = sp_arena_try_grow(e->arena, e->insts, e->cap * sizeof(*grown),
						   2 * (size_t)e->cap * sizeof(*grown));
		if (grown == NULL) {
			e->failed = true;
			return 0;
		}
		e->insts = grown;
		e->cap *= 2;
	}
	e->insts[e->n] = (re_inst){.op = (uint32_t)op, .arg = arg};
	return e->n++;
}

static uint32_t *hole(emitter *e, uint32_t h)
{
	re_inst *i = &e->insts[h >> 1];
	return (h & 1) != 0 ? &i->arg : &i->out;
}

static holes hole_of(uint32_t inst, bool arg)
{
	return (holes){inst * 2 + arg, inst * 2 + arg};
}

static holes joined(emitter *e, holes a, holes b)
{
	if (a.head == 0 || b.head == 0 || e->failed)
		return a.head == 0 ? b : a;
	*hole(e, a.tail) = b.head;
	return (holes){a.head, b.tail};
}

static void fill(emitter *e, holes l, uint32_t target)
{
	for (uint32_t h = l.head; h != 0 && !e->failed;) {
		uint32_t next = *hole(e, h);
		*hole(e, h) = target;
		h = next;
	}
}

static frag simple(emitter *e, re_op op, uint32_t arg)
{
	uint32_t i = emit(e, op, arg);
	return (frag){i, hole_of(i, false), op != RE_I_RUNE && op != RE_I_CLASS};
}

static frag cat(emitter *e, frag a, frag b)
{
	fill(e, a.out, b.start);
	return (frag){a.start, b.out, a.nullable && b.nullable};
}

/* A choice between `body` and going on; the way on is left as a hole. */
static uint32_t choice(emitter *e, uint32_t body, bool lazy, holes *ret_on)
{
	uint32_t i = emit(e, RE_I_ALT, 0);
	*hole(e, i * 2 + lazy) = body;
	*ret_on = hole_of(i, !lazy);
	return i;
}

static frag quest(emitter *e, frag f, bool lazy)
{
	holes on;
	uint32_t i = choice(e, f.start, lazy, &on);
	return (frag){i, joined(e, on, f.out), true};
}

static frag plus(emitter *e, frag f, bool lazy)
{
	holes on;
	fill(e, f.out, choice(e, f.start, lazy, &on));
	return (frag){f.start, on, f.nullable};
}

static frag star(emitter *e, frag f, bool lazy)
{
	holes on;
	/* A body that may take nothing would be left in the wrong order of preference: (f+)? is right. */
	if (f.nullable)
		return quest(e, plus(e, f, lazy), lazy);
	uint32_t i = choice(e, f.start, lazy, &on);
	fill(e, f.out, i);
	return (frag){i, on, true};
}

static frag build(emitter *e, const re_node *n);

static bool is_empty(const re_node *n)
{
	return n->op == RE_N_EMPTY || (n->op == RE_N_REPEAT && n->max == 0);
}

/* x*, x+, x? of a body that may be the same already. */
static frag unary(emitter *e, re_node_op op, bool lazy, const re_node *body)
{
	while (body->op == RE_N_REPEAT && body->min == 1 && body->max == 1)
		body = body->first;
	if (is_empty(body) || (body->op == op && body->lazy == lazy))
		return build(e, body);
	frag f = build(e, body);
	return op == RE_N_STAR ? star(e, f, lazy) : op == RE_N_PLUS ? plus(e, f, lazy) : quest(e, f, lazy);
}

/* x{n,m} is n times x, then x(x(x)?)? for what is optional; x{n,} ends in x+. */
static frag build_repeat(emitter *e, const re_node *n)
{
	frag all = {0}, f;
	int copies = n->max < 0 ? n->min - 1 : n->min;
	if (n->max == 0)
		return simple(e, RE_I_NOP, 0);
	for (int i = 0; i < copies && !e->failed; i++) {
		f = build(e, n->first);
		all = i == 0 ? f : cat(e, all, f);
	}
	if (n->max < 0)
		return cat(e, all, unary(e, RE_N_PLUS, n->lazy, n->first));
	holes left = {0}, on;
	for (int i = n->min; i < n->max && !e->failed; i++) {
		f = build(e, n->first);
		uint32_t alt = choice(e, f.start, n->lazy, &on);
		frag step = {alt, f.out, true};
		left = joined(e, left, on);
		all = i == 0 ? step : cat(e, all, step);
	}
	all.out = joined(e, left, all.out);
	return all;
}

static frag build_alt(emitter *e, const re_node *n)
{
	frag all = {0};
	uint32_t before = 0;
	for (const re_node *c = n->first; c != NULL && !e->failed; c = c->next) {
		uint32_t i = c->next != NULL ? emit(e, RE_I_ALT, 0) : 0;
		frag f = build(e, c);
		if (i != 0)
			e->insts[i].out = f.start;
		if (before != 0)
			e->insts[before].arg = i != 0 ? i : f.start;
		else
			all.start = i;
		all.out = joined(e, all.out, f.out);
		all.nullable |= f.nullable;
		before = i;
	}
	return all;
}

/* Goes as deep as the tree is high, which is limited. */
static frag build(emitter *e, const re_node *n)
{
	frag f, g;
	if (e->failed)
		return (frag){0};
	switch ((re_node_op)n->op) {
	case RE_N_EMPTY:
		return simple(e, RE_I_NOP, 0);
	case RE_N_RUNE:
		return simple(e, RE_I_RUNE, n->arg);
	case RE_N_CLASS:
		return simple(e, RE_I_CLASS, n->arg);
	case RE_N_ASSERT:
		return simple(e, RE_I_ASSERT, n->arg);
	case RE_N_GROUP:
		f = simple(e, RE_I_SLOT, 2 * n->arg);
		f = cat(e, f, build(e, n->first));
		g = simple(e, RE_I_SLOT, 2 * n->arg + 1);
		return cat(e, f, g);
	case RE_N_STAR:
	case RE_N_PLUS:
	case RE_N_QUEST:
		return unary(e, (re_node_op)n->op, n->lazy, n->first);
	case RE_N_REPEAT:
		return build_repeat(e, n);
	case RE_N_CONCAT:
		f = build(e, n->first);
		for (const re_node *c = n->first->next; c != NULL; c = c->next) {
			g = build(e, c);
			f = cat(e, f, g);
		}
		return f;
	case RE_N_ALT:
		return build_alt(e, n);
	}
	SP_UNREACHABLE();
}

/* Targets that do nothing are passed over. Cycles always hold a choice. */
static uint32_t beyond_nops(const emitter *e, uint32_t i)
{
	while (e->insts[i].op == RE_I_NOP)
		i = e->insts[i].out;
	return i;
}

#define PREFIX_BYTES_MAX 64u

/* The characters that are taken from instruction i on without a choice, as UTF-8. */
static size_t literal_run(const sp_regex *re, uint32_t i, char out[PREFIX_BYTES_MAX])
{
	size_t n = 0;
	for (const re_inst *in = &re->insts[i]; n <= PREFIX_BYTES_MAX - SP_UTF8_MAX_BYTES;
	     in = &re->insts[in->out]) {
		/* U+FFFD also stands for malformed bytes. */
		if (in->op == RE_I_RUNE && in->arg != SP_RUNE_ERROR)
			n += sp_utf8_encode(out + n, in->arg);
		else if (in->op != RE_I_SLOT && in->op != RE_I_NOP)
			break;
	}
	return n;
}

/* What every match begins with: the text's begin, or a literal, which alternatives may share. */
static bool find_prefix(sp_regex *re, sp_arena *a)
{
	char text[PREFIX_BYTES_MAX], other[PREFIX_BYTES_MAX];
	uint32_t i = re->start, n_left = re->n_insts;
	while (re->insts[i].op == RE_I_SLOT || re->insts[i].op == RE_I_NOP)
		i = re->insts[i].out;
	re->anchored = re->insts[i].op == RE_I_ASSERT && (re->insts[i].arg & RE_BEGIN_TEXT) != 0;
	bool choice_of_many = re->insts[i].op == RE_I_ALT;
	size_t n = literal_run(re, choice_of_many ? re->insts[i].out : i, text);
	for (; re->insts[i].op == RE_I_ALT && n > 0 && n_left > 0; n_left--) {
		i = re->insts[i].arg;
		uint32_t body = re->insts[i].op == RE_I_ALT ? re->insts[i].out : i;
		size_t m = SP_MIN(literal_run(re, body, other), n);
		for (n = 0; n < m && text[n] == other[n]; n++) {
		}
	}
	if (n == 0 || n_left == 0)
		return true;
	re->prefix = sp_arena_try_dup(a, (sp_str){text, n});
	return re->prefix.ptr != NULL;
}

static void *copied(sp_arena *a, const void *from, size_t n, size_t size)
{
	void *to = sp_arena_try_array(a, n, size);
	if (to != NULL && n > 0)
		memcpy(to, from, n * size);
	return to;
}

/* The parser's and emitter's results, moved to where they stay. */
static bool keep(sp_regex *re, sp_arena *a, const re_parser *p, const emitter *e)
{
	re->n_insts = e->n;
	re->n_classes = p->n_classes;
	re->n_groups = p->n_groups;
	re->insts = copied(a, e->insts, e->n, sizeof(*e->insts));
	re_class *classes = copied(a, p->classes, p->n_classes, sizeof(*classes));
	sp_str *names = copied(a, p->names, p->n_groups == 0 ? 0 : p->n_groups + 1, sizeof(*names));
	if (re->insts == NULL || classes == NULL || names == NULL)
		return false;
	for (uint32_t i = 0; i < p->n_classes; i++) {
		classes[i].ranges = copied(a, classes[i].ranges, classes[i].n, sizeof(re_range));
		if (classes[i].ranges == NULL)
			return false;
	}
	for (uint32_t i = 1; i <= p->n_groups; i++) {
		sp_str name = names[i];
		names[i] = sp_arena_try_dup(a, name);
		if (name.len > 0 && names[i].ptr == NULL)
			return false;
	}
	re->classes = classes;
	re->names = names;
	return true;
}

/* The program, without what makes it fast. */
static bool assemble(sp_regex *re, sp_arena *a, sp_arena *tmp, const re_parser *p, const re_node *tree)
{
	emitter e = {.arena = tmp, .cap = 64};
	e.insts = sp_try_new(tmp, re_inst, e.cap);
	if (e.insts == NULL)
		return false;
	(void)emit(&e, RE_I_MATCH, 0); /* number 0, so that no hole is 0 */
	frag f = build(&e, tree);
	fill(&e, f.out, 0);
	if (e.failed)
		return false;
	for (uint32_t i = 0; i < e.n; i++) {
		re_inst *inst = &e.insts[i];
		inst->out = beyond_nops(&e, inst->out);
		if (inst->op == RE_I_ALT)
			inst->arg = beyond_nops(&e, inst->arg);
		if (inst->op == RE_I_ASSERT)
			re->asserts |= inst->arg;
	}
	re->start = beyond_nops(&e, f.start);
	return keep(re, a, p, &e) && find_prefix(re, a);
}

static sp_code refused(sp_arena *a, const re_parser *p, sp_str *error_text, sp_err *err)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, p->expr.len + 256);
	(void)sp_buf_printf(&text, "error parsing regexp: %s: `", p->what);
	(void)sp_buf_str(&text, p->expr);
	(void)sp_buf_char(&text, '`');
	sp_str kept = sp_arena_try_dup(a, sp_buf_view(&text));
	if (kept.ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for the error of a regular expression");
	if (error_text != NULL)
		*error_text = kept;
	return sp_fail(err, SP_EINVAL, SP_FMT, SP_ARG(kept));
}

sp_code sp_regex_compile(sp_arena *a, sp_str pattern, const sp_regex **ret, sp_str *error_text, sp_err *err)
{
	sp_arena tmp;
	sp_arena_init(&tmp, SP_REGEX_COMPILE_BYTES);
	re_parser p = {.arena = &tmp, .whole = pattern};
	sp_map_init(&p.class_index);
	const re_node *tree = re_parse(&p);
	sp_regex *re = tree != NULL ? sp_try_new(a, sp_regex, 1) : NULL;
	sp_code code = SP_OK;
	if (p.code == SP_EINVAL)
		code = refused(a, &p, error_text, err);
	else if (re == NULL || !assemble(re, a, &tmp, &p, tree) || !re_symbols_make(re, a, &tmp) ||
		 !re_dfa_make(re, a, &tmp))
		code = sp_fail(err, SP_ETOOLARGE, "the regular expression needs too much memory");
	sp_map_done(&p.class_index);
	sp_arena_done(&tmp);
	if (code == SP_OK)
		*ret = re;
	return code;
}
