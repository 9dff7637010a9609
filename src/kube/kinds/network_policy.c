/* SPDX-License-Identifier: Apache-2.0 */
/* NetworkPolicy of networking.k8s.io/v1. */
#include "base/ip.h"
#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/hooks.h"
#include "kube/meta.h"

/* The two directions, which differ in names only. */
static const struct {
	const char *rules, *peers;
} directions[] = {{"ingress", "from"}, {"egress", "to"}};

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, obj, "spec");
	SP_KIND_NEED(c, spec != NULL);
	if (spec == NULL || sp_kv_list(spec, "policyTypes") != NULL)
		return;
	yyjson_mut_val *types = yyjson_mut_arr(c->doc);
	SP_KIND_NEED(c, types != NULL && yyjson_mut_arr_add_str(c->doc, types, "Ingress"));
	if (sp_kv_list(spec, "egress") != NULL)
		SP_KIND_NEED(c, yyjson_mut_arr_add_str(c->doc, types, "Egress"));
	SP_KIND_NEED(c, sp_kv_set(c->doc, spec, "policyTypes", types));
}

static void end_port(sp_violations *v, yyjson_mut_val *port, sp_int_or_str number, const sp_path *path)
{
	int64_t end = sp_kv_i64(port, "endPort", 0);
	if (!sp_kv_has(port, "port")) {
		sp_v_invalid(v, path, end, "may not be specified when `port` is not specified");
		return;
	}
	if (number.is_str) {
		sp_v_invalid(v, path, end, "may not be specified when `port` is non-numeric");
		return;
	}
	if (end < number.num) /* upstream shows the first port */
		sp_v_invalid(v, path, number.num, "must be greater than or equal to `port`");
	sp_v_port_num(v, path, end);
}

static void port_validate(sp_violations *v, yyjson_mut_val *port, const sp_path *path)
{
	static const char *const protocols[] = {"TCP", "UDP", "SCTP"};
	sp_str protocol = sp_kv_str(port, "protocol");
	sp_int_or_str number = sp_kv_int_or_str(sp_kv_get(port, "port"));
	if (sp_kv_has(port, "protocol") && !SP_STR_IN(protocol, protocols))
		sp_v_not_supported(v, SP_AT(path, "protocol"), sp_bad_named(protocol), protocols,
				   SP_LEN(protocols));
	if (sp_kv_has(port, "port") && !number.is_str)
		sp_v_port_num(v, SP_AT(path, "port"), number.num);
	if (sp_kv_has(port, "endPort"))
		end_port(v, port, number, SP_AT(path, "endPort"));
	if (number.is_str)
		sp_v_faults(v, SP_AT(path, "port"), number.str, sp_fmt_port_name(number.str));
}

/* What an update permits: malformed label values; prefixes that were there, a list of texts. */
typedef struct policy_options {
	unsigned selector;
	yyjson_mut_val *known;
} policy_options;

static void block_validate(sp_violations *v, yyjson_mut_val *block, const policy_options *o,
			   const sp_path *path)
{
	sp_str text = sp_kv_str(block, "cidr");
	sp_cidr whole, part;
	if (text.len == 0) {
		sp_v_required(v, SP_AT(path, "cidr"), "%s", "");
		return;
	}
	sp_v_cidr_legacy(v, SP_AT(path, "cidr"), text, o->known);
	if (!sp_cidr_parse(text, &whole))
		return;
	SP_KV_EACH (item, i, sp_kv_list(block, "except")) {
		const sp_path *at = SP_AT_I(SP_AT(path, "except"), i);
		sp_str except = sp_jmut_str(item);
		sp_v_cidr_legacy(v, at, except, o->known);
		if (!sp_cidr_parse(except, &part))
			continue;
		sp_ip network = sp_cidr_network(&part);
		if (!sp_cidr_contains(&whole, &network) || whole.n_bits >= part.n_bits)
			sp_v_invalid(v, at, except, "must be a strict subset of `cidr`");
	}
}

static void peer_validate(sp_violations *v, yyjson_mut_val *peer, const policy_options *o,
			  const sp_path *path)
{
	static const char *const selectors[] = {"podSelector", "namespaceSelector"};
	yyjson_mut_val *block = sp_kv_get(peer, "ipBlock");
	size_t n = block != NULL ? 1 : 0;
	for (size_t i = 0; i < SP_LEN(selectors); i++) {
		yyjson_mut_val *selector = sp_kv_get(peer, selectors[i]);
		n += selector != NULL ? 1 : 0;
		sp_label_selector_validate(v, SP_AT_STR(path, sp_str_c(selectors[i])), selector, o->selector);
	}
	if (block != NULL)
		block_validate(v, block, o, SP_AT(path, "ipBlock"));
	if (n == 0)
		sp_v_required(v, path, "must specify a peer");
	else if (n > 1 && block != NULL)
		sp_v_forbidden(v, path, "may not specify both ipBlock and another peer");
}

static void spec_validate(sp_violations *v, yyjson_mut_val *spec, const policy_options *o)
{
	static const char *const known_types[] = {"Ingress", "Egress"};
	const sp_path *path = SP_PATH("spec"), *at_types = SP_AT(path, "policyTypes");
	yyjson_mut_val *types = sp_kv_list(spec, "policyTypes");
	sp_label_selector_validate(v, SP_AT(path, "podSelector"), sp_kv_get(spec, "podSelector"),
				   o->selector);
	for (size_t d = 0; d < SP_LEN(directions); d++) {
		const sp_path *at = SP_AT_STR(path, sp_str_c(directions[d].rules));
		SP_KV_EACH (rule, i, sp_kv_list(spec, directions[d].rules)) {
			const sp_path *at_rule = SP_AT_I(at, i);
			const sp_path *at_peers = SP_AT_STR(at_rule, sp_str_c(directions[d].peers));
			SP_KV_EACH (port, k, sp_kv_list(rule, "ports")) {
				port_validate(v, port, SP_AT_I(SP_AT(at_rule, "ports"), k));
			}
			SP_KV_EACH (peer, k, sp_kv_list(rule, directions[d].peers)) {
				peer_validate(v, peer, o, SP_AT_I(at_peers, k));
			}
		}
	}
	if (sp_kv_len(types) > SP_LEN(known_types)) {
		sp_v_invalid(v, at_types, types, "may not specify more than two policyTypes");
		return;
	}
	SP_KV_EACH (type, i, types) {
		if (!SP_STR_IN(sp_jmut_str(type), known_types))
			sp_v_not_supported(v, SP_AT_I(at_types, i), sp_bad_named(sp_jmut_str(type)),
					   known_types, SP_LEN(known_types));
	}
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	policy_options o = {0, NULL};
	sp_meta_validate(c, obj);
	spec_validate(c->errors, sp_kv_get(obj, "spec"), &o);
}

/* Calls with every block of addresses in a spec, and the path to it. */
typedef void block_fn(sp_kind_ctx *c, yyjson_mut_val *block, const sp_path *path, void *arg);

static void each_block(sp_kind_ctx *c, yyjson_mut_val *spec, block_fn *fn, void *arg)
{
	for (size_t d = 0; d < SP_LEN(directions); d++) {
		const sp_path *at = SP_AT_STR(SP_PATH("spec"), sp_str_c(directions[d].rules));
		SP_KV_EACH (rule, i, sp_kv_list(spec, directions[d].rules)) {
			const sp_path *at_peers = SP_AT_STR(SP_AT_I(at, i), sp_str_c(directions[d].peers));
			SP_KV_EACH (peer, k, sp_kv_list(rule, directions[d].peers)) {
				yyjson_mut_val *block = sp_kv_get(peer, "ipBlock");
				if (block != NULL)
					fn(c, block, SP_AT(SP_AT_I(at_peers, k), "ipBlock"), arg);
			}
		}
	}
}

static void remember_block(sp_kind_ctx *c, yyjson_mut_val *block, const sp_path *path, void *arg)
{
	yyjson_mut_val *list = arg;
	(void)path;
	SP_KIND_NEED(c,
		     yyjson_mut_arr_append(list, yyjson_mut_val_mut_copy(c->doc, sp_kv_get(block, "cidr"))) ||
			     !sp_kv_has(block, "cidr"));
	SP_KV_EACH (except, i, sp_kv_list(block, "except")) {
		SP_KIND_NEED(c, yyjson_mut_arr_append(list, yyjson_mut_val_mut_copy(c->doc, except)));
	}
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_violations found;
	policy_options o = {0, yyjson_mut_arr(c->doc)};
	yyjson_mut_val *was = sp_kv_get(old, "spec");
	sp_violations_init(&found, c->arena);
	sp_label_selector_validate(&found, NULL, sp_kv_get(was, "podSelector"), 0);
	if (found.n > 0)
		o.selector = SP_LABEL_SELECTOR_BAD_VALUES;
	each_block(c, was, remember_block, o.known);
	sp_meta_validate_update(c, obj, old);
	spec_validate(c->errors, sp_kv_get(obj, "spec"), &o);
}

static void warn_cidr(sp_kind_ctx *c, const sp_path *path, sp_str text)
{
	char network[SP_IP_TEXT_BYTES + 8], ip_text[SP_IP_TEXT_BYTES];
	sp_cidr cidr;
	if (!sp_cidr_parse(text, &cidr))
		return;
	sp_ip first = sp_cidr_network(&cidr);
	sp_str net = {network, sp_cidr_print(network, &cidr)}, ip = {ip_text, sp_ip_print(ip_text, &cidr.ip)};
	bool warned = !sp_ip_eq(&first, &cidr.ip) || cidr.leading_zeros || cidr.ip.mapped;
	if (!sp_ip_eq(&first, &cidr.ip))
		sp_warn_at(c, path,
			   "CIDR value \"" SP_FMT "\" is ambiguous in this context (should be \"" SP_FMT
			   "\" or \"" SP_FMT "/%d\"?)",
			   SP_ARG(text), SP_ARG(net), SP_ARG(ip), cidr.ip.v4 && !cidr.ip.mapped ? 32 : 128);
	if (cidr.leading_zeros || cidr.ip.mapped)
		sp_warn_at(c, path, "non-standard CIDR value \"" SP_FMT "\" is invalid: use \"" SP_FMT "\"",
			   SP_ARG(text), SP_ARG(net));
	if (!warned && !cidr.ip.v4 && !sp_str_eq(text, net))
		sp_warn_at(c, path,
			   "IPv6 CIDR value \"" SP_FMT "\" should be in RFC 5952 canonical format (\"" SP_FMT
			   "\")",
			   SP_ARG(text), SP_ARG(net));
}

static void warn_block(sp_kind_ctx *c, yyjson_mut_val *block, const sp_path *path, void *arg)
{
	(void)arg;
	warn_cidr(c, SP_AT(path, "cidr"), sp_kv_str(block, "cidr"));
	SP_KV_EACH (except, i, sp_kv_list(block, "except")) {
		warn_cidr(c, SP_AT_I(SP_AT(path, "except"), i), sp_jmut_str(except));
	}
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	each_block(c, sp_kv_get(obj, "spec"), warn_block, NULL);
}

static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	each_block(c, sp_kv_get(obj, "spec"), warn_block, NULL);
}

static yyjson_mut_val *selector_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_selector(c, sp_kv_path(obj, "spec", "podSelector", NULL));
}

static const sp_cell cells[] = {{SP_STR_INIT("Pod-Selector"), selector_cell}};

const sp_kind_hooks sp_hooks_network_policy = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION | SP_KIND_GENERATION_DEEP,
	.defaults = defaults,
	.validate = validate,
	.validate_update = validate_update,
	.warn_create = warn_create,
	.warn_update = warn_update,
	.cells = cells,
	.n_cells = SP_LEN(cells),
};
