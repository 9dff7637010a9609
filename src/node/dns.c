/* SPDX-License-Identifier: Apache-2.0 */
#include "node/dns.h"

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "no memory for a pod's names");
}

/* ---- resolv.conf ---- */

static bool next_word(sp_str *line, sp_str *ret)
{
	*line = sp_str_trim(*line);
	if (line->len == 0)
		return false;
	size_t n = 0;
	while (n < line->len && line->ptr[n] != ' ' && line->ptr[n] != '\t')
		n++;
	*ret = sp_str_sub(*line, 0, n);
	*line = sp_str_sub(*line, n, line->len);
	return true;
}

static void read_list(sp_str line, sp_str *to, size_t *n, size_t max, bool *ret_cut)
{
	sp_str w;
	*n = 0; /* the last line of a kind counts */
	*ret_cut = false;
	while (next_word(&line, &w)) {
		if (*n < max)
			to[(*n)++] = w;
		else
			*ret_cut = true;
	}
}

void node_resolv_read(sp_str text, node_resolv *ret)
{
	bool cut_options;
	*ret = (node_resolv){0};
	while (text.len > 0) {
		sp_str line, key;
		if (!sp_str_cut(&text, '\n', &line)) {
			line = text;
			text.len = 0;
		}
		if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';' || !next_word(&line, &key))
			continue;
		if (sp_str_eq(key, SP_STR("nameserver"))) {
			if (ret->n_servers == NODE_DNS_SERVERS_MAX)
				ret->cut_servers = true;
			else if (next_word(&line, &ret->servers[ret->n_servers]))
				ret->n_servers++;
		} else if (sp_str_eq(key, SP_STR("search")) || sp_str_eq(key, SP_STR("domain"))) {
			read_list(line, ret->searches, &ret->n_searches, NODE_DNS_SEARCHES_MAX,
				  &ret->cut_searches);
		} else if (sp_str_eq(key, SP_STR("options"))) {
			read_list(line, ret->options, &ret->n_options, NODE_DNS_OPTIONS_MAX, &cut_options);
		}
	}
}

/* ---- what a pod gets ---- */

static bool is_in(const sp_str *at, size_t n, sp_str s)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(at[i], s))
			return true;
	}
	return false;
}

static void add_server(node_resolv *r, sp_str s)
{
	if (is_in(r->servers, r->n_servers, s))
		return;
	if (r->n_servers == NODE_DNS_SERVERS_MAX)
		r->cut_servers = true;
	else
		r->servers[r->n_servers++] = s;
}
static void add_search(node_resolv *r, sp_str s)
{
	size_t bytes = s.len;
	if (is_in(r->searches, r->n_searches, s))
		return;
	for (size_t i = 0; i < r->n_searches; i++)
		bytes += r->searches[i].len + 1;
	if (r->n_searches == NODE_DNS_SEARCHES_MAX || bytes > NODE_DNS_SEARCH_BYTES_MAX ||
	    s.len > NODE_DNS_SEARCH_ONE_MAX)
		r->cut_searches = true;
	else
		r->searches[r->n_searches++] = s;
}

/* "ndots:5" replaces "ndots:2". */
static void set_option(node_resolv *r, sp_str option)
{
	sp_str rest = option, key;
	if (!sp_str_cut(&rest, ':', &key))
		key = option;
	for (size_t i = 0; i < r->n_options; i++) {
		sp_str old = r->options[i], old_key;
		if (!sp_str_cut(&old, ':', &old_key))
			old_key = r->options[i];
		if (sp_str_eq(key, old_key)) {
			r->options[i] = option;
			return;
		}
	}
	if (r->n_options < NODE_DNS_OPTIONS_MAX)
		r->options[r->n_options++] = option;
}

static sp_code add_cluster(const node_pod *p, const node_dns_opts *o, sp_arena *a, node_resolv *r,
			   sp_err *err)
{
	sp_str own = SP_CONCAT(a, p->v.ns, SP_STR(".svc."), o->domain),
	       svc = SP_CONCAT(a, SP_STR("svc."), o->domain);
	if (own.ptr == NULL || svc.ptr == NULL)
		return no_room(err);
	for (size_t i = 0; i < o->n_cluster; i++)
		add_server(r, o->cluster[i]);
	if (o->domain.len != 0) {
		add_search(r, own);
		add_search(r, svc);
		add_search(r, o->domain);
	}
	for (size_t i = 0; i < o->host->n_searches; i++)
		add_search(r, o->host->searches[i]);
	r->cut_searches |= o->host->cut_searches;
	set_option(r, SP_STR("ndots:5"));
	return SP_OK;
}

static sp_code add_config(yyjson_val *config, sp_arena *a, node_resolv *r, sp_err *err)
{
	yyjson_val *item;
	size_t i, n;
	yyjson_arr_foreach(sp_view_at(config, "nameservers"), i, n, item)
	{
		add_server(r, sp_json_str(item));
	}
	yyjson_arr_foreach(sp_view_at(config, "searches"), i, n, item)
	{
		add_search(r, sp_json_str(item));
	}
	yyjson_arr_foreach(sp_view_at(config, "options"), i, n, item)
	{
		sp_str name = sp_view_str_at(item, "name"), value = sp_view_str_at(item, "value");
		sp_str option = value.len == 0 ? name : SP_CONCAT(a, name, SP_STR(":"), value);
		if (option.ptr == NULL)
			return no_room(err);
		set_option(r, option);
	}
	return SP_OK;
}

sp_code node_dns_make(const node_pod *p, const node_dns_opts *o, sp_arena *a, node_resolv *ret,
		      node_dns_notes *ret_notes, sp_err *err)
{
	sp_str policy = p->v.dns_policy;
	bool cluster = sp_str_eq(policy, SP_STR("ClusterFirstWithHostNet")) ||
		       (!p->v.host_network && (policy.len == 0 || sp_str_eq(policy, SP_STR("ClusterFirst"))));
	*ret = (node_resolv){0};
	*ret_notes = (node_dns_notes){0};
	if (cluster && o->n_cluster == 0) {
		ret_notes->no_cluster_dns = true;
		cluster = false;
	}
	if (cluster)
		SP_TRY(add_cluster(p, o, a, ret, err));
	else if (!sp_str_eq(policy, SP_STR("None")))
		*ret = *o->host;
	return add_config(p->v.dns_config, a, ret, err);
}

/* ---- the host name ---- */

/* At most 63 bytes, without '-' and '.' at the cut. */
static sp_str cut_name(sp_str name)
{
	if (name.len <= 63)
		return name;
	name.len = 63;
	while (name.len > 0 && (name.ptr[name.len - 1] == '-' || name.ptr[name.len - 1] == '.'))
		name.len--;
	return name;
}

sp_code node_host_name(const node_pod *p, sp_str cluster_domain, sp_arena *a, sp_str *ret_name,
		       sp_str *ret_domain, sp_err *err)
{
	sp_str name = p->v.host_name.len != 0 ? p->v.host_name : cut_name(p->v.name), domain = {NULL, 0};
	if (p->v.host_name_override.len != 0) {
		*ret_name = cut_name(p->v.host_name_override);
		*ret_domain = domain;
		return SP_OK;
	}
	if (p->v.subdomain.len != 0) {
		domain = SP_CONCAT(a, p->v.subdomain, SP_STR("."), p->v.ns, SP_STR(".svc."), cluster_domain);
		if (domain.ptr == NULL)
			return no_room(err);
	}
	*ret_name = name;
	*ret_domain = domain;
	return SP_OK;
}

/* ---- /etc/hosts ---- */

static void add_aliases(sp_buf *out, const node_pod *p)
{
	if (p->v.host_aliases.n == 0)
		return;
	(void)sp_buf_printf(out, "\n# Entries added by HostAliases.\n");
	SP_VLIST_FOREACH(alias, p->v.host_aliases)
	{
		yyjson_val *name;
		size_t i, n;
		(void)sp_buf_str(out, sp_view_str_at(alias, "ip"));
		yyjson_arr_foreach(sp_view_at(alias, "hostnames"), i, n, name)
		{
			(void)sp_buf_char(out, '\t');
			(void)sp_buf_str(out, sp_json_str(name));
		}
		(void)sp_buf_char(out, '\n');
	}
}

sp_code node_hosts_file(sp_buf *out, const node_pod *p, const sp_str *ips, size_t n_ips, sp_str name,
			sp_str domain)
{
	(void)sp_buf_printf(out, "# Kubernetes-managed hosts file.\n"
				 "127.0.0.1\tlocalhost\n"
				 "::1\tlocalhost ip6-localhost ip6-loopback\n"
				 "fe00::0\tip6-localnet\n"
				 "fe00::0\tip6-mcastprefix\n"
				 "fe00::1\tip6-allnodes\n"
				 "fe00::2\tip6-allrouters\n");
	for (size_t i = 0; i < n_ips; i++) {
		if (domain.len != 0)
			(void)sp_buf_printf(out, SP_FMT "\t" SP_FMT "." SP_FMT "\t" SP_FMT "\n",
					    SP_ARG(ips[i]), SP_ARG(name), SP_ARG(domain), SP_ARG(name));
		else
			(void)sp_buf_printf(out, SP_FMT "\t" SP_FMT "\n", SP_ARG(ips[i]), SP_ARG(name));
	}
	add_aliases(out, p);
	return sp_buf_code(out);
}

sp_code node_hosts_file_of_host(sp_buf *out, const node_pod *p, sp_str host_file)
{
	(void)sp_buf_printf(out, "# Kubernetes-managed hosts file (host network).\n");
	(void)sp_buf_str(out, host_file);
	add_aliases(out, p);
	return sp_buf_code(out);
}
