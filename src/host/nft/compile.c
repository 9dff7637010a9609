/* SPDX-License-Identifier: Apache-2.0 */
/* Commands: tables, chains, sets and their elements. */
#include "host/nft/compile.h"

#include "base/num.h"
#include "host/nft/nft.h"

static size_t begin(const nft_line *l, uint16_t type, uint16_t flags)
{
	return nft_begin(l->out, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, l->family, 0, l->seq);
}

/* ---- tables ---- */

static void table_message(nft_line *l, uint16_t type, uint16_t flags)
{
	size_t at = begin(l, type, flags);
	nft_put_str(l->out, NFTA_TABLE_NAME, l->table);
	nft_end(l->out, at);
}

static sp_code add_table(nft_line *l)
{
	table_message(l, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	return SP_OK;
}

static sp_code delete_table(nft_line *l)
{
	table_message(l, NFT_MSG_DELTABLE, 0);
	return SP_OK;
}

/* ---- chains ---- */

static sp_code read_hook(nft_line *l, uint32_t *ret)
{
	static const char *const hooks[] = {[NF_INET_PRE_ROUTING] = "prerouting",
					    [NF_INET_LOCAL_IN] = "input",
					    [NF_INET_FORWARD] = "forward",
					    [NF_INET_LOCAL_OUT] = "output",
					    [NF_INET_POST_ROUTING] = "postrouting"};
	for (uint32_t i = 0; i < SP_LEN(hooks); i++) {
		if (nft_take(l, hooks[i])) {
			*ret = i;
			return SP_OK;
		}
	}
	return nft_refuse(l, "no hook");
}

/* { type TYPE hook HOOK priority N ; } */
static sp_code put_base(nft_line *l)
{
	uint32_t hook;
	int64_t priority;
	SP_TRY(nft_expect(l, "type"));
	sp_str type = nft_word(l);
	if (!sp_str_eq(type, SP_STR("nat")) && !sp_str_eq(type, SP_STR("filter")))
		return nft_refuse(l, "no type of chains");
	SP_TRY(nft_expect(l, "hook"));
	SP_TRY(read_hook(l, &hook));
	SP_TRY(nft_expect(l, "priority"));
	if (sp_parse_i64(nft_word(l), INT32_MIN, INT32_MAX, &priority, NULL) != SP_OK)
		return nft_refuse(l, "no priority");
	size_t at = nft_open(l->out, NFTA_CHAIN_HOOK);
	nft_put_u32(l->out, NFTA_HOOK_HOOKNUM, hook);
	nft_put_u32(l->out, NFTA_HOOK_PRIORITY, (uint32_t)(int32_t)priority);
	nft_close(l->out, at);
	nft_put_str(l->out, NFTA_CHAIN_TYPE, type);
	SP_TRY(nft_expect(l, ";"));
	return nft_expect(l, "}");
}

static sp_code add_chain(nft_line *l)
{
	sp_str name;
	SP_TRY(nft_name(l, &name));
	size_t at = begin(l, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	nft_put_str(l->out, NFTA_CHAIN_TABLE, l->table);
	nft_put_str(l->out, NFTA_CHAIN_NAME, name);
	if (nft_take(l, "{"))
		SP_TRY(put_base(l));
	nft_end(l->out, at);
	return SP_OK;
}

/* A message that names a thing of the table and says no more. */
static sp_code named_message(nft_line *l, uint16_t type, uint16_t table_attr, uint16_t name_attr)
{
	sp_str name;
	SP_TRY(nft_name(l, &name));
	size_t at = begin(l, type, 0);
	nft_put_str(l->out, table_attr, l->table);
	nft_put_str(l->out, name_attr, name);
	nft_end(l->out, at);
	return SP_OK;
}

static sp_code delete_chain(nft_line *l)
{
	return named_message(l, NFT_MSG_DELCHAIN, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME);
}

static sp_code flush_chain(nft_line *l)
{
	return named_message(l, NFT_MSG_DELRULE, NFTA_RULE_TABLE, NFTA_RULE_CHAIN);
}

static sp_code delete_set(nft_line *l)
{
	return named_message(l, NFT_MSG_DELSET, NFTA_SET_TABLE, NFTA_SET_NAME);
}

/* ---- sets and maps ---- */

typedef struct key_type {
	uint32_t id, n; /* nft's number; bytes */
} key_type;

/* type TYPE [. TYPE]…; the number of a concatenation is those of its parts, six bits each. */
static sp_code read_type(nft_line *l, key_type *ret)
{
	uint32_t padded = 0, n_parts = 0;
	*ret = (key_type){0};
	SP_TRY(nft_expect(l, "type"));
	do {
		sp_str name = nft_word(l);
		const nft_type *t = NULL;
		for (size_t i = 0; i < NFT_KINDS_; i++) {
			if (sp_str_eq(name, sp_str_c(nft_types[i].name)))
				t = &nft_types[i];
		}
		if (t == NULL || padded / 4 + (t->n + 3u) / 4 > NFT_KEY_WORDS)
			return nft_refuse(l, "no type");
		ret->id = ret->id << 6 | t->id;
		padded += (t->n + 3u) & ~3u;
		ret->n = ++n_parts == 1 ? t->n : padded; /* alone it is not padded */
	} while (nft_take(l, "."));
	return SP_OK;
}

static sp_code read_timeout(nft_line *l, uint64_t *ret_ms)
{
	SP_TRY(nft_expect(l, "timeout"));
	sp_str word = nft_word(l);
	if (!sp_str_ends(word, SP_STR("s")) ||
	    sp_parse_u64(sp_str_sub(word, 0, word.len - 1), 1, UINT32_MAX, ret_ms, NULL) != SP_OK)
		return nft_refuse(l, "no time");
	*ret_ms *= 1000;
	return nft_expect(l, ";");
}

static sp_code put_set(nft_line *l, sp_str name, const key_type *k, bool is_map, uint64_t timeout_ms)
{
	uint32_t flags = (is_map ? NFT_SET_MAP : 0u) | (timeout_ms > 0 ? NFT_SET_TIMEOUT | NFT_SET_EVAL : 0u);
	size_t at = begin(l, NFT_MSG_NEWSET, NLM_F_CREATE);
	nft_put_str(l->out, NFTA_SET_TABLE, l->table);
	nft_put_str(l->out, NFTA_SET_NAME, name);
	nft_put_u32(l->out, NFTA_SET_FLAGS, flags);
	nft_put_u32(l->out, NFTA_SET_KEY_TYPE, k->id);
	nft_put_u32(l->out, NFTA_SET_KEY_LEN, k->n);
	nft_put_u32(l->out, NFTA_SET_ID, ++*l->set_ids);
	if (is_map)
		nft_put_u32(l->out, NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
	if (timeout_ms > 0)
		nft_put_u64(l->out, NFTA_SET_TIMEOUT, timeout_ms);
	nft_end(l->out, at);
	return nft_expect(l, "}");
}

static sp_code add_map(nft_line *l)
{
	sp_str name;
	key_type k;
	SP_TRY(nft_name(l, &name));
	SP_TRY(nft_expect(l, "{"));
	SP_TRY(read_type(l, &k));
	SP_TRY(nft_expect(l, ":"));
	SP_TRY(nft_expect(l, "verdict"));
	SP_TRY(nft_expect(l, ";"));
	return put_set(l, name, &k, true, 0);
}

static sp_code add_set(nft_line *l)
{
	sp_str name;
	key_type k;
	uint64_t timeout_ms = 0;
	SP_TRY(nft_name(l, &name));
	SP_TRY(nft_expect(l, "{"));
	SP_TRY(read_type(l, &k));
	SP_TRY(nft_expect(l, ";"));
	if (nft_take(l, "flags")) {
		SP_TRY(nft_expect(l, "dynamic"));
		SP_TRY(nft_expect(l, ","));
		SP_TRY(nft_expect(l, "timeout"));
		SP_TRY(nft_expect(l, ";"));
		SP_TRY(read_timeout(l, &timeout_ms));
	}
	return put_set(l, name, &k, false, timeout_ms);
}

/* ---- elements ---- */

/* What a value is can be seen from it: only one kind of key may hold such a text. */
static bool read_value(sp_str text, uint8_t family, uint8_t out[NFT_VALUE_BYTES], size_t *ret_n)
{
	const uint8_t kinds[] = {family == NFPROTO_IPV4 ? NFT_IP4 : NFT_IP6, NFT_PROTO, NFT_PORT};
	for (size_t i = 0; i < SP_LEN(kinds); i++) {
		if (nft_types[kinds[i]].parse(text, out)) {
			*ret_n = nft_types[kinds[i]].n;
			return true;
		}
	}
	return false;
}

static sp_code read_key(nft_line *l, uint8_t key[NFT_KEY_BYTES], size_t *ret_n)
{
	uint8_t value[NFT_VALUE_BYTES];
	size_t n = 0, one, n_fields = 0;
	memset(key, 0, NFT_KEY_BYTES);
	do {
		n = (n + 3) & ~(size_t)3;
		if (!read_value(nft_word(l), l->family, value, &one) || n + one > NFT_KEY_BYTES)
			return nft_refuse(l, "no key");
		memcpy(key + n, value, one);
		n += one;
		n_fields++;
	} while (nft_take(l, "."));
	*ret_n = n_fields > 1 ? (n + 3) & ~(size_t)3 : n;
	return SP_OK;
}

void nft_put_element(sp_buf *b, const void *key, size_t n, const int32_t *verdict, sp_str chain)
{
	size_t at = nft_open(b, NFTA_LIST_ELEM);
	nft_put_value(b, NFTA_SET_ELEM_KEY, key, n);
	if (verdict != NULL)
		nft_put_verdict(b, NFTA_SET_ELEM_DATA, *verdict, chain);
	nft_close(b, at);
}

static sp_code element_message(nft_line *l, uint16_t type, uint16_t flags)
{
	uint8_t key[NFT_KEY_BYTES];
	size_t n = 0;
	sp_str set, chain = {NULL, 0};
	int32_t verdict = 0;
	SP_TRY(nft_name(l, &set));
	SP_TRY(nft_expect(l, "{"));
	SP_TRY(read_key(l, key, &n));
	bool has_verdict = nft_take(l, ":");
	if (has_verdict && nft_verdict(l, &verdict, &chain) != SP_OK)
		return nft_refuse(l, "no verdict");
	size_t at = begin(l, type, flags);
	nft_put_str(l->out, NFTA_SET_ELEM_LIST_TABLE, l->table);
	nft_put_str(l->out, NFTA_SET_ELEM_LIST_SET, set);
	size_t list = nft_open(l->out, NFTA_SET_ELEM_LIST_ELEMENTS);
	nft_put_element(l->out, key, n, has_verdict ? &verdict : NULL, chain);
	nft_close(l->out, list);
	nft_end(l->out, at);
	return nft_expect(l, "}");
}

static sp_code add_element(nft_line *l)
{
	return element_message(l, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
}

static sp_code delete_element(nft_line *l)
{
	return element_message(l, NFT_MSG_DELSETELEM, 0);
}

/* ---- verdicts, rules, commands ---- */

sp_code nft_verdict(nft_line *l, int32_t *ret, sp_str *ret_chain)
{
	static const struct {
		const char *word;
		int32_t verdict;
		bool has_chain;
	} verdicts[] = {{"drop", NF_DROP, false},
			{"accept", NF_ACCEPT, false},
			{"return", NFT_RETURN, false},
			{"jump", NFT_JUMP, true},
			{"goto", NFT_GOTO, true}};
	*ret_chain = (sp_str){NULL, 0};
	for (size_t i = 0; i < SP_LEN(verdicts); i++) {
		if (!nft_take(l, verdicts[i].word))
			continue;
		*ret = verdicts[i].verdict;
		return verdicts[i].has_chain ? nft_name(l, ret_chain) : SP_OK;
	}
	return SP_ENOTFOUND;
}

static sp_code add_rule(nft_line *l)
{
	sp_str chain;
	SP_TRY(nft_name(l, &chain));
	return nft_rule(l, chain);
}

static const struct {
	const char *verb, *what;
	sp_code (*put)(nft_line *l);
} verbs[] = {
	{"add", "table", add_table},     {"delete", "table", delete_table},
	{"add", "chain", add_chain},     {"delete", "chain", delete_chain},
	{"flush", "chain", flush_chain}, {"add", "rule", add_rule},
	{"add", "map", add_map},         {"add", "set", add_set},
	{"delete", "map", delete_set},   {"delete", "set", delete_set},
	{"add", "element", add_element}, {"delete", "element", delete_element},
};

static sp_code compile_line(nft_line *l)
{
	sp_str verb = nft_word(l), what = nft_word(l), family = nft_word(l);
	l->family = sp_str_eq(family, SP_STR("ip")) ? NFPROTO_IPV4 : NFPROTO_IPV6;
	if (l->family == NFPROTO_IPV6 && !sp_str_eq(family, SP_STR("ip6")))
		return nft_refuse(l, "no family");
	SP_TRY(nft_name(l, &l->table));
	for (size_t i = 0; i < SP_LEN(verbs); i++) {
		if (!sp_str_eq(verb, sp_str_c(verbs[i].verb)) || !sp_str_eq(what, sp_str_c(verbs[i].what)))
			continue;
		SP_TRY(verbs[i].put(l));
		return nft_peek(l).len == 0 ? SP_OK : nft_refuse(l, "more than a command");
	}
	return nft_refuse(l, "no command");
}

static void put_border(sp_buf *out, uint16_t type)
{
	nft_end(out, nft_begin(out, type, 0, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES, 0));
}

/* The last message of the batch so far, to be acknowledged. */
static void ask_for_answer(sp_buf *out, size_t last)
{
	struct nlmsghdr head;
	memcpy(&head, out->ptr + last, sizeof head);
	while (last + head.nlmsg_len < out->len) { /* a rule may be several messages */
		last += head.nlmsg_len;
		memcpy(&head, out->ptr + last, sizeof head);
	}
	head.nlmsg_flags |= NLM_F_ACK;
	memcpy(out->ptr + last, &head, sizeof head);
}

sp_code nft_compile(sp_str commands, sp_buf *out, sp_err *err)
{
	uint32_t set_ids = 0, seq = 0;
	size_t last = 0;
	sp_str line;
	put_border(out, NFNL_MSG_BATCH_BEGIN);
	while (sp_str_next(&commands, '\n', &line)) {
		nft_line l = {.rest = line,
			      .whole = line,
			      .out = out,
			      .err = err,
			      .seq = ++seq,
			      .set_ids = &set_ids};
		if (sp_str_trim(line).len == 0)
			continue;
		last = out->len;
		SP_TRY(compile_line(&l));
	}
	if (sp_buf_code(out) == SP_OK && last > 0)
		ask_for_answer(out, last);
	put_border(out, NFNL_MSG_BATCH_END);
	return sp_buf_code(out) == SP_OK
		       ? SP_OK
		       : sp_fail(err, sp_buf_code(out), "nftables: the commands are too many");
}
