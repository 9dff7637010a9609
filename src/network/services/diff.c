/* SPDX-License-Identifier: Apache-2.0 */
/* From one state of a service to another: things are made before they are used and used no more before they
 * go. */
#include "network/services/rules.h"

static const net_rule *find(const net_rules *in, const net_rule *like)
{
	for (size_t i = 0; i < in->n; i++) {
		const net_rule *r = &in->at[i];
		if (r->kind == like->kind && sp_str_eq(r->name, like->name) && sp_str_eq(r->key, like->key))
			return r;
	}
	return NULL;
}

typedef struct pass {
	const net_rules *old, *now;
	const char *table; /* "ip" or "ip6" */
	sp_buf *out;
} pass;

static void command(pass *p, const char *verb, const char *what, sp_str name)
{
	(void)sp_buf_printf(p->out, "%s %s %s " NET_TABLE " " SP_FMT, verb, what, p->table, SP_ARG(name));
}

static void make_new(pass *p, const net_rule *r)
{
	if (r->kind == NET_ELEMENT || find(p->old, r) != NULL)
		return;
	command(p, "add", r->kind == NET_CHAIN ? "chain" : "set", r->name);
	if (r->kind == NET_SET)
		(void)sp_buf_printf(p->out, " " SP_FMT, SP_ARG(r->body));
	(void)sp_buf_char(p->out, '\n');
}

static void fill_chain(pass *p, const net_rule *r)
{
	const net_rule *was = r->kind == NET_CHAIN ? find(p->old, r) : NULL;
	if (r->kind != NET_CHAIN || (was != NULL && sp_str_eq(was->body, r->body)))
		return;
	if (was != NULL) {
		command(p, "flush", "chain", r->name);
		(void)sp_buf_char(p->out, '\n');
	}
	sp_str rest = r->body, line;
	while (sp_str_cut(&rest, '\n', &line)) {
		command(p, "add", "rule", r->name);
		(void)sp_buf_printf(p->out, " " SP_FMT "\n", SP_ARG(line));
	}
}

static void take_element(pass *p, const net_rule *r)
{
	const net_rule *is = r->kind == NET_ELEMENT ? find(p->now, r) : NULL;
	if (r->kind != NET_ELEMENT || (is != NULL && sp_str_eq(is->body, r->body)))
		return;
	command(p, "delete", "element", r->name);
	(void)sp_buf_printf(p->out, " { " SP_FMT " }\n", SP_ARG(r->key));
}

static void put_element(pass *p, const net_rule *r)
{
	const net_rule *was = r->kind == NET_ELEMENT ? find(p->old, r) : NULL;
	if (r->kind != NET_ELEMENT || (was != NULL && sp_str_eq(was->body, r->body)))
		return;
	command(p, "add", "element", r->name);
	(void)sp_buf_printf(p->out, " { " SP_FMT "%s" SP_FMT " }\n", SP_ARG(r->key),
			    r->body.len > 0 ? " : " : "", SP_ARG(r->body));
}

static void empty_gone(pass *p, const net_rule *r)
{
	if (r->kind != NET_CHAIN || find(p->now, r) != NULL)
		return;
	command(p, "flush", "chain", r->name);
	(void)sp_buf_char(p->out, '\n');
}

static void remove_gone(pass *p, const net_rule *r)
{
	if (r->kind == NET_ELEMENT || find(p->now, r) != NULL)
		return;
	command(p, "delete", r->kind == NET_CHAIN ? "chain" : "set", r->name);
	(void)sp_buf_char(p->out, '\n');
}

typedef struct pass_kind {
	void (*each)(pass *p, const net_rule *r);
	bool of_old;
} pass_kind;

static sp_code go(pass *p, const pass_kind *kinds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const net_rules *in = kinds[i].of_old ? p->old : p->now;
		for (size_t k = 0; k < in->n; k++)
			kinds[i].each(p, &in->at[k]);
	}
	return sp_buf_code(p->out);
}

sp_code net_rules_take(const net_rules *old, const net_rules *now, net_family family, sp_buf *out)
{
	static const pass_kind kinds[] = {{take_element, true}};
	pass p = {old, now, family == NET_V4 ? "ip" : "ip6", out};
	return go(&p, kinds, SP_LEN(kinds));
}

sp_code net_rules_put(const net_rules *old, const net_rules *now, net_family family, sp_buf *out)
{
	static const pass_kind kinds[] = {{make_new, false},
					  {fill_chain, false},
					  {put_element, false},
					  {empty_gone, true},
					  {remove_gone, true}};
	pass p = {old, now, family == NET_V4 ? "ip" : "ip6", out};
	return go(&p, kinds, SP_LEN(kinds));
}
