/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The automaton that tells whether there is a match. A state is the set of instructions that may be next,
 * plus, when assertions are among them, what kind of character came before: they are decided when the
 * character after them is known. Built as a whole at compile time where it is small, else on the way.
 */
#include "kube/regex/regex_int.h"

/* At compile time: what a constant automaton may cost. */
#define WHOLE_ENTRIES_MAX 16384u
#define WHOLE_STATES_MAX 1024u
#define WHOLE_KEYS_MAX 16384u
#define WHOLE_WORK_MAX 400000u
/* On the way. */
#define LAZY_ENTRIES_MAX 32768u
#define LAZY_STATES_MAX 2048u
#define LAZY_KEYS_MAX 65536u
#define LAZY_CLEARS_MAX 4u

typedef struct state {
	const uint32_t *key; /* what came before, then the instructions in order */
	uint32_t n_key;
	bool asserts;
} state;

typedef struct dfa {
	const sp_regex *re;
	uint16_t *table;
	state *states;
	uint32_t n_states, cap_states;
	uint32_t *keys, n_keys, cap_keys;
	sp_map index;
	uint64_t *bits, *next_bits; /* sets of instructions */
	uint32_t n_words, *stack;
	uint64_t work, work_max;
	unsigned clears, clears_max;
	bool failed; /* no room */
} dfa;

static bool init(dfa *d, const sp_regex *re, sp_arena *a, uint32_t entries_max, uint32_t states_max,
		 uint32_t keys_max)
{
	*d = (dfa){.re = re, .cap_keys = keys_max, .n_words = re->n_insts / 64 + 1};
	d->cap_states = SP_MIN(entries_max / re->symbols.n, states_max);
	d->work_max = UINT64_MAX;
	sp_map_init(&d->index);
	d->table = sp_try_new(a, uint16_t, (size_t)d->cap_states * re->symbols.n);
	d->states = sp_try_new(a, state, d->cap_states);
	d->keys = sp_try_new(a, uint32_t, keys_max);
	d->bits = sp_try_new(a, uint64_t, d->n_words);
	d->next_bits = sp_try_new(a, uint64_t, d->n_words);
	d->stack = sp_try_new(a, uint32_t, re->n_insts);
	return d->table != NULL && d->states != NULL && d->keys != NULL && d->bits != NULL &&
	       d->next_bits != NULL && d->stack != NULL;
}

static bool has(const uint64_t *bits, uint32_t i)
{
	return (bits[i >> 6] >> (i & 63) & 1) != 0;
}

static void visit(dfa *d, uint64_t *bits, uint32_t *n, uint32_t i)
{
	if (has(bits, i))
		return;
	bits[i >> 6] |= UINT64_C(1) << (i & 63);
	d->stack[(*n)++] = i;
	d->work++;
}

/* Adds what is reached from i without a character when the assertions in `holds` are true. */
static void reach(dfa *d, uint64_t *bits, uint32_t i, unsigned holds)
{
	uint32_t n = 0;
	visit(d, bits, &n, i);
	while (n > 0) {
		const re_inst *inst = &d->re->insts[d->stack[--n]];
		bool on = inst->op == RE_I_ALT || inst->op == RE_I_NOP || inst->op == RE_I_SLOT ||
			  (inst->op == RE_I_ASSERT && (inst->arg & ~holds) == 0);
		if (!on)
			continue;
		if (inst->op == RE_I_ALT)
			visit(d, bits, &n, inst->arg);
		visit(d, bits, &n, inst->out);
	}
}

/* Characters stand for their kind; kinds that the program does not ask for are one. */
static uint32_t kind_before(const sp_regex *re, uint32_t c)
{
	if (c == RE_NO_CHAR)
		return c;
	if ((re->asserts & (RE_WORD | RE_NO_WORD)) != 0 && re_is_word(c))
		return 'a';
	return (re->asserts & RE_BEGIN_LINE) != 0 && c == '\n' ? '\n' : ' ';
}

static void clear(dfa *d)
{
	sp_map_done(&d->index);
	sp_map_init(&d->index);
	memset(d->table, 0, (size_t)d->n_states * d->re->symbols.n * sizeof(*d->table));
	d->n_states = d->n_keys = 0;
	d->clears++;
}

/* The state for d->next_bits, which hold no match. RE_D_UNKNOWN: no room (d->failed) or cleared too often. */
static uint16_t intern(dfa *d, uint32_t before)
{
	const re_inst *insts = d->re->insts;
	bool full = d->n_states == d->cap_states || d->n_keys + d->re->n_insts + 1 > d->cap_keys;
	if (full && d->clears >= d->clears_max)
		return RE_D_UNKNOWN;
	if (full)
		clear(d);
	if (d->n_keys + d->re->n_insts + 1 > d->cap_keys)
		return RE_D_UNKNOWN;
	uint32_t *key = d->keys + d->n_keys, n = 1;
	bool asserts = false;
	for (uint32_t w = 0; w < d->n_words; w++) {
		for (uint64_t left = d->next_bits[w]; left != 0; left &= left - 1) {
			uint32_t i = w * 64 + (uint32_t)__builtin_ctzll(left);
			asserts |= insts[i].op == RE_I_ASSERT;
			if (insts[i].op == RE_I_RUNE || insts[i].op == RE_I_CLASS ||
			    insts[i].op == RE_I_ASSERT)
				key[n++] = i;
		}
	}
	if (n == 1)
		return RE_D_DEAD;
	key[0] = asserts ? before : ' ';
	sp_str text = {(const char *)key, n * sizeof(*key)};
	const state *known = sp_map_get(&d->index, text);
	if (known != NULL)
		return (uint16_t)(RE_D_FIRST + (known - d->states));
	state *s = &d->states[d->n_states];
	*s = (state){key, n, asserts};
	if (sp_map_put(&d->index, text, s, NULL) != SP_OK) {
		d->failed = true;
		return RE_D_UNKNOWN;
	}
	d->n_keys += n;
	return (uint16_t)(RE_D_FIRST + d->n_states++);
}

static uint16_t start(dfa *d)
{
	memset(d->next_bits, 0, d->n_words * sizeof(*d->next_bits));
	reach(d, d->next_bits, d->re->start, 0);
	return has(d->next_bits, 0) ? RE_D_MATCH : intern(d, RE_NO_CHAR);
}

/* Where a state leads with a symbol. */
static uint16_t step(dfa *d, uint16_t from, uint32_t symbol)
{
	const sp_regex *re = d->re;
	const state *s = &d->states[from - RE_D_FIRST];
	uint32_t c = re->symbols.sample[symbol];
	memset(d->bits, 0, d->n_words * sizeof(*d->bits));
	memset(d->next_bits, 0, d->n_words * sizeof(*d->next_bits));
	d->work += d->n_words;
	for (uint32_t i = 1; i < s->n_key; i++) {
		if (s->asserts)
			reach(d, d->bits, s->key[i], re_holds(s->key[0], c));
		else
			d->bits[s->key[i] >> 6] |= UINT64_C(1) << (s->key[i] & 63);
	}
	if (has(d->bits, 0))
		return RE_D_MATCH;
	if (c == RE_NO_CHAR)
		return RE_D_DEAD;
	for (uint32_t w = 0; w < d->n_words; w++) {
		for (uint64_t left = d->bits[w]; left != 0; left &= left - 1) {
			const re_inst *i = &re->insts[w * 64 + (uint32_t)__builtin_ctzll(left)];
			d->work++;
			if (re_inst_takes(re, i, c))
				reach(d, d->next_bits, i->out, 0);
		}
	}
	if (!re->anchored)
		reach(d, d->next_bits, re->start, 0);
	return has(d->next_bits, 0) ? RE_D_MATCH : intern(d, kind_before(re, c));
}

/* All states and all their ways; false: too many. */
static bool build_all(dfa *d, uint16_t *ret_start)
{
	uint32_t n_symbols = d->re->symbols.n;
	*ret_start = start(d);
	if (*ret_start == RE_D_UNKNOWN)
		return false;
	for (uint32_t i = 0; i < d->n_states; i++) {
		for (uint32_t s = 0; s < n_symbols; s++) {
			uint16_t to = step(d, (uint16_t)(RE_D_FIRST + i), s);
			if (to == RE_D_UNKNOWN || d->work > d->work_max)
				return false;
			d->table[i * n_symbols + s] = to;
		}
	}
	return true;
}

bool re_dfa_make(sp_regex *re, sp_arena *a, sp_arena *tmp)
{
	dfa d;
	uint16_t first = 0;
	if (re->symbols.n == 0 || re->n_insts + 1 > WHOLE_KEYS_MAX)
		return true;
	bool ok = init(&d, re, tmp, WHOLE_ENTRIES_MAX, WHOLE_STATES_MAX, WHOLE_KEYS_MAX);
	d.work_max = WHOLE_WORK_MAX;
	if (ok && build_all(&d, &first)) {
		size_t n = (size_t)d.n_states * re->symbols.n;
		uint16_t *table = sp_try_new(a, uint16_t, n);
		ok = table != NULL;
		if (ok && n > 0)
			memcpy(table, d.table, n * sizeof(*table));
		re->dfa = table;
		re->dfa_start = first;
	}
	sp_map_done(&d.index);
	return ok && !d.failed;
}

/* Takes the next character of a text; its symbol. */
static uint32_t next_symbol(const re_symbols *s, sp_str text, size_t *at)
{
	unsigned char b = (unsigned char)text.ptr[*at];
	if (b < 128) {
		(*at)++;
		return s->ascii[b];
	}
	uint32_t c;
	*at += sp_utf8_decode((sp_str){text.ptr + *at, text.len - *at}, &c);
	return re_symbol_of(s, c);
}

bool re_dfa_match(const sp_regex *re, sp_str text)
{
	const re_symbols *s = &re->symbols;
	uint32_t at_state = re->dfa_start;
	size_t at = 0;
	while (at < text.len && at_state >= RE_D_FIRST)
		at_state = re->dfa[(at_state - RE_D_FIRST) * s->n + next_symbol(s, text, &at)];
	if (at_state >= RE_D_FIRST)
		at_state = re->dfa[(at_state - RE_D_FIRST) * s->n + s->n - 1];
	return at_state == RE_D_MATCH;
}

/* One step with the table as cache. */
static uint16_t lazy_step(dfa *d, uint16_t from, uint32_t symbol)
{
	uint16_t *entry = &d->table[((uint32_t)from - RE_D_FIRST) * d->re->symbols.n + symbol];
	if (*entry != RE_D_UNKNOWN)
		return *entry;
	unsigned clears = d->clears;
	uint16_t to = step(d, from, symbol);
	if (clears == d->clears) /* else the state we came from is gone */
		*entry = to;
	return to;
}

void re_dfa_lazy(const sp_regex *re, sp_str text, sp_arena *scratch, bool *ret_done, bool *ret)
{
	dfa d;
	*ret_done = false;
	if (re->symbols.n == 0 || re->n_insts + 1 > LAZY_KEYS_MAX)
		return;
	uint16_t to = RE_D_UNKNOWN;
	if (init(&d, re, scratch, LAZY_ENTRIES_MAX, LAZY_STATES_MAX, LAZY_KEYS_MAX)) {
		d.clears_max = LAZY_CLEARS_MAX;
		to = start(&d);
		for (size_t at = 0; at < text.len && to >= RE_D_FIRST;)
			to = lazy_step(&d, to, next_symbol(&re->symbols, text, &at));
		if (to >= RE_D_FIRST)
			to = lazy_step(&d, to, re->symbols.n - 1);
	}
	sp_map_done(&d.index);
	*ret_done = to != RE_D_UNKNOWN;
	*ret = to == RE_D_MATCH;
}
