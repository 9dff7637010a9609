/* SPDX-License-Identifier: Apache-2.0 */
#include "network/cni/conf.h"

#include "base/ip.h"
#include "base/json_out.h"
#include "base/num.h"
#include "base/quantity.h"

#define CAPS_BYTES ((size_t)1 << 20)
#define IF_NAME SP_STR("eth0")

/* ---- versions ---- */

static unsigned long long number_of(sp_str version)
{
	unsigned long long sum = 0;
	sp_str rest = version, part;
	for (int i = 0; i < 3; i++) {
		uint64_t n;
		if (!sp_str_cut(&rest, '.', &part)) {
			part = rest;
			rest = (sp_str){NULL, 0};
		}
		if (sp_parse_u64(part, 0, 999, &n, NULL) != SP_OK)
			return 0;
		sum = sum * 1000 + n;
	}
	return sum;
}

bool cni_version_is(sp_str version, const char *at_least)
{
	return number_of(version) >= number_of(sp_str_c(at_least));
}

static const char *const known[] = {"1.1.0", "1.0.0", "0.4.0", "0.3.1", "0.3.0", "0.2.0", "0.1.0"};

static sp_str newest(yyjson_val *versions)
{
	for (size_t k = 0; k < SP_LEN(known); k++) {
		size_t i, n;
		yyjson_val *v;
		yyjson_arr_foreach(versions, i, n, v)
		{
			if (sp_str_eq(sp_json_str(v), sp_str_c(known[k])))
				return sp_json_str(v);
		}
	}
	return (sp_str){NULL, 0};
}

/* ---- configurations ---- */

static sp_code read_plugins(yyjson_val *list, sp_arena *a, cni_list *ret, sp_err *err)
{
	size_t i, n;
	yyjson_val *v;
	if (!yyjson_is_arr(list))
		return sp_fail(err, SP_EINVAL, "error parsing configuration list: no 'plugins' key");
	if (yyjson_arr_size(list) == 0)
		return sp_fail(err, SP_EINVAL, "error parsing configuration list: no plugins in list");
	if (yyjson_arr_size(list) > CNI_PLUGINS_MAX)
		return sp_fail(err, SP_EINVAL, "error parsing configuration list: more than %u plugins",
			       CNI_PLUGINS_MAX);
	ret->plugins = sp_try_new(a, cni_plugin, yyjson_arr_size(list));
	if (ret->plugins == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a network configuration");
	yyjson_arr_foreach(list, i, n, v)
	{
		sp_str type = sp_json_str(sp_json_last(v, SP_STR("type")));
		if (type.len == 0)
			return sp_fail(err, SP_EINVAL, "failed to parse plugin config %zu: missing 'type'",
				       i);
		ret->plugins[ret->n_plugins++] = (cni_plugin){type, v};
	}
	return SP_OK;
}

/* Upstream's check of names of networks. */
static bool is_name(sp_str s)
{
	bool ok = s.len > 0;
	for (size_t i = 0; ok && i < s.len; i++) {
		char c = s.ptr[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		ok = letter || (i > 0 && (c == '_' || c == '.' || c == '-'));
	}
	return ok;
}

static bool is_true(yyjson_val *root, sp_str key)
{
	yyjson_val *v = sp_json_last(root, key);
	return yyjson_is_true(v) || sp_str_eq(sp_json_str(v), SP_STR("true"));
}

static sp_code read_name(yyjson_val *root, sp_str *ret, sp_err *err)
{
	*ret = sp_json_str(sp_json_last(root, SP_STR("name")));
	if (!is_name(*ret))
		return sp_fail(err, SP_EINVAL, "error parsing configuration list: %s",
			       ret->len == 0 ? "no name" : "invalid characters in the name");
	return SP_OK;
}

sp_code cni_list_head_parse(sp_str text, sp_arena *a, cni_list_head *ret, sp_err *err)
{
	yyjson_val *root;
	cni_list_head out;
	SP_TRY(sp_json_parse(a, text, &root, err));
	if (!yyjson_is_obj(root))
		return sp_fail(err, SP_EINVAL, "error parsing configuration: no object");
	SP_TRY(read_name(root, &out.name, err));
	out.only_inlined = is_true(root, SP_STR("loadOnlyInlinedPlugins"));
	yyjson_val *plugins = sp_json_last(root, SP_STR("plugins"));
	if (plugins == NULL && out.only_inlined)
		return sp_fail(err, SP_EINVAL,
			       "error parsing configuration list: `loadOnlyInlinedPlugins` is true, and no "
			       "'plugins' key");
	if (plugins != NULL && (!yyjson_is_arr(plugins) || yyjson_arr_size(plugins) == 0))
		return sp_fail(err, SP_EINVAL, "error parsing configuration list: %s",
			       yyjson_is_arr(plugins) ? "no plugins in list" : "invalid 'plugins' type");
	*ret = out;
	return SP_OK;
}

sp_code cni_list_add(sp_str text, const sp_str *plugins, size_t n, sp_arena *a, sp_str *ret, sp_err *err)
{
	SP_AUTO_BUF out;
	yyjson_val *root, *key, *value, *plugin;
	size_t i, n_members;
	sp_buf_init(&out, 2 * CNI_CONF_BYTES);
	SP_TRY(sp_json_parse(a, text, &root, err));
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '{');
	yyjson_obj_foreach(root, i, n_members, key, value)
	{
		if (sp_str_eq(sp_json_str(key), SP_STR("plugins")))
			continue;
		sp_jout_key(&j, sp_json_str(key));
		(void)sp_json_write(&out, value);
		j.comma = true;
	}
	yyjson_val *own = sp_json_last(root, SP_STR("plugins"));
	sp_jout_member_open(&j, SP_STR("plugins"), '[');
	yyjson_arr_foreach(own, i, n_members, value)
	{
		if (i > 0)
			sp_buf_char(&out, ',');
		(void)sp_json_write(&out, value);
		j.comma = true;
	}
	if (yyjson_arr_size(own) + n == 0)
		return sp_fail(err, SP_EINVAL, "no plugin configs found");
	for (i = 0; i < n; i++) {
		SP_TRY(sp_json_parse(a, plugins[i], &plugin, err));
		if (sp_json_str(sp_json_last(plugin, SP_STR("type"))).len == 0)
			return sp_fail(err, SP_EINVAL, "error parsing configuration: missing 'type'");
		sp_jout_raw(&j, plugins[i]);
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	*ret = sp_arena_try_dup(a, sp_buf_view(&out));
	return sp_buf_code(&out) == SP_OK && ret->len == out.len
		       ? SP_OK
		       : sp_fail(err, SP_ETOOLARGE, "the configuration is too large");
}

sp_code cni_list_parse(sp_str text, sp_arena *a, cni_list *ret, sp_err *err)
{
	yyjson_val *root;
	cni_list out = {.n_plugins = 0};
	SP_TRY(sp_json_parse(a, text, &root, err));
	if (!yyjson_is_obj(root))
		return sp_fail(err, SP_EINVAL, "error parsing configuration: no object");
	SP_TRY(read_name(root, &out.name, err));
	yyjson_val *versions = sp_json_last(root, SP_STR("cniVersions"));
	out.version = yyjson_is_arr(versions) ? newest(versions)
					      : sp_json_str(sp_json_last(root, SP_STR("cniVersion")));
	if (yyjson_is_arr(versions) && out.version.len == 0)
		return sp_fail(err, SP_EINVAL,
			       "error parsing configuration list: no supported version in cniVersions");
	if (out.version.len == 0)
		out.version = SP_STR("0.1.0");
	out.disable_check = is_true(root, SP_STR("disableCheck"));
	out.disable_gc = is_true(root, SP_STR("disableGC"));
	SP_TRY(read_plugins(sp_json_last(root, SP_STR("plugins")), a, &out, err));
	*ret = out;
	return SP_OK;
}

sp_code cni_list_of_one(sp_str text, sp_arena *a, sp_str *ret, sp_err *err)
{
	SP_AUTO_BUF out;
	yyjson_val *root;
	sp_buf_init(&out, 2 * CNI_CONF_BYTES);
	SP_TRY(sp_json_parse(a, text, &root, err));
	if (sp_json_str(sp_json_last(root, SP_STR("type"))).len == 0)
		return sp_fail(err, SP_EINVAL, "error parsing configuration: missing 'type'");
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("name"), sp_json_str(sp_json_last(root, SP_STR("name"))));
	sp_jout_member_str(&j, SP_STR("cniVersion"), sp_json_str(sp_json_last(root, SP_STR("cniVersion"))));
	sp_jout_member_open(&j, SP_STR("plugins"), '[');
	sp_jout_raw(&j, text);
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	*ret = sp_arena_try_dup(a, sp_buf_view(&out));
	return sp_buf_code(&out) == SP_OK && ret->len == out.len
		       ? SP_OK
		       : sp_fail(err, SP_ETOOLARGE, "the configuration is too large");
}

/* ---- capabilities ---- */

static const char *const protocols[] = {"tcp", "udp", "sctp"};

static void write_ports(const sp_cri_pod_sandbox_config *c, sp_buf *out)
{
	sp_jout j = sp_jout_to(out);
	bool any = false;
	for (size_t i = 0; i < c->port_mappings.n; i++) {
		const sp_cri_port_mapping *m = &c->port_mappings.at[i];
		if (m->host_port <= 0)
			continue;
		if (!any)
			sp_jout_open(&j, '[');
		any = true;
		sp_jout_open(&j, '{');
		sp_jout_member_i64(&j, SP_STR("hostPort"), m->host_port);
		sp_jout_member_i64(&j, SP_STR("containerPort"), m->container_port);
		bool fits = m->protocol >= 0 && m->protocol < (int32_t)SP_LEN(protocols);
		sp_jout_member_str(&j, SP_STR("protocol"), sp_str_c(protocols[fits ? m->protocol : 0]));
		sp_jout_member_str(&j, SP_STR("hostIP"), m->host_ip);
		sp_jout_close(&j, '}');
	}
	if (any)
		sp_jout_close(&j, ']');
}

static sp_str annotation(const sp_cri_pod_sandbox_config *c, sp_str key)
{
	for (size_t i = 0; i < c->annotations.n; i++) {
		if (sp_str_eq(c->annotations.at[i].key, key))
			return c->annotations.at[i].value;
	}
	return (sp_str){NULL, 0};
}

/* Rates of the annotations are bits a second; the burst is as much as there can be, as containerd has it. */
static sp_code write_bandwidth(const sp_cri_pod_sandbox_config *c, sp_buf *out, sp_err *err)
{
	static const struct {
		sp_str annotation, rate, burst;
	} ways[] = {
		{SP_STR_INIT("kubernetes.io/ingress-bandwidth"), SP_STR_INIT("ingressRate"),
		 SP_STR_INIT("ingressBurst")},
		{SP_STR_INIT("kubernetes.io/egress-bandwidth"), SP_STR_INIT("egressRate"),
		 SP_STR_INIT("egressBurst")},
	};
	sp_jout j = sp_jout_to(out);
	bool any = false;
	for (size_t i = 0; i < SP_LEN(ways); i++) {
		sp_str text = annotation(c, ways[i].annotation);
		sp_qty q;
		if (text.len == 0)
			continue;
		SP_TRY(sp_qty_parse(text, &q, err));
		int64_t rate = sp_qty_value(&q);
		/* U: k8s.io/kubernetes pkg/util/bandwidth: 1k to 1P. */
		if (rate < 1000 || rate > INT64_C(1000000000000000))
			return sp_fail(err, SP_EINVAL, "resource \"" SP_FMT "\" is unreasonably %s",
				       SP_ARG(text), rate < 1000 ? "small (< 1kbit)" : "large (> 1Pbit)");
		if (!any)
			sp_jout_open(&j, '{');
		any = true;
		sp_jout_member_i64(&j, ways[i].rate, rate);
		sp_jout_member_i64(&j, ways[i].burst, INT32_MAX);
	}
	if (any)
		sp_jout_close(&j, '}');
	return SP_OK;
}

static void write_dns(const sp_cri_pod_sandbox_config *c, sp_buf *out)
{
	const sp_cri_dns_config *d = c->dns_config;
	sp_jout j = sp_jout_to(out);
	if (d == NULL || d->servers.n + d->searches.n + d->options.n == 0)
		return;
	sp_jout_open(&j, '{');
	sp_jout_member_strs(&j, SP_STR("servers"), d->servers.at, d->servers.n);
	sp_jout_member_strs(&j, SP_STR("searches"), d->searches.at, d->searches.n);
	sp_jout_member_strs(&j, SP_STR("options"), d->options.at, d->options.n);
	sp_jout_close(&j, '}');
}

static void write_ranges(sp_str range, sp_buf *out)
{
	sp_jout j = sp_jout_to(out);
	if (range.len == 0)
		return;
	sp_jout_open(&j, '[');
	sp_jout_open(&j, '[');
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("subnet"), range);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, ']');
	sp_jout_close(&j, ']');
}

static void write_aliases(const sp_cri_pod_sandbox_config *c, sp_buf *out)
{
	sp_jout j = sp_jout_to(out);
	if (c->metadata == NULL || c->metadata->name.len == 0)
		return;
	sp_jout_open(&j, '[');
	sp_jout_str(&j, c->metadata->name);
	sp_jout_close(&j, ']');
}

/* U: containerd internal/cri/server/sandbox_run.go, cniNamespaceOpts. */
static void write_cgroup(const sp_cri_pod_sandbox_config *c, sp_buf *out)
{
	sp_jout j = sp_jout_to(out);
	if (c->linux_ != NULL && c->linux_->cgroup_parent.len > 0)
		sp_jout_str(&j, c->linux_->cgroup_parent);
}

static void write_annotations(const sp_cri_pod_sandbox_config *c, sp_buf *out)
{
	sp_jout j = sp_jout_to(out);
	if (c->annotations.n == 0)
		return;
	sp_jout_open(&j, '{');
	for (size_t i = 0; i < c->annotations.n; i++)
		sp_jout_member_str(&j, c->annotations.at[i].key, c->annotations.at[i].value);
	sp_jout_close(&j, '}');
}

sp_code cni_capabilities_of(const sp_cri_pod_sandbox_config *c, sp_str ip_range, sp_arena *a,
			    cni_capabilities *ret, sp_err *err)
{
	SP_AUTO_BUF out;
	size_t at[8] = {0};
	sp_buf_init(&out, CAPS_BYTES);
	write_ports(c, &out);
	at[1] = out.len;
	SP_TRY(write_bandwidth(c, &out, err));
	at[2] = out.len;
	write_dns(c, &out);
	at[3] = out.len;
	write_ranges(ip_range, &out);
	at[4] = out.len;
	write_aliases(c, &out);
	at[5] = out.len;
	write_cgroup(c, &out);
	at[6] = out.len;
	write_annotations(c, &out);
	at[7] = out.len;
	sp_str whole = sp_arena_try_dup(a, sp_buf_view(&out));
	if (sp_buf_code(&out) != SP_OK || whole.len != out.len)
		return sp_fail(err, SP_ETOOLARGE, "what the pod asks of its network is too large");
	sp_str *const parts[] = {&ret->port_mappings, &ret->bandwidth,   &ret->dns,        &ret->ip_ranges,
				 &ret->aliases,       &ret->cgroup_path, &ret->annotations};
	for (size_t i = 0; i < SP_LEN(parts); i++)
		*parts[i] = sp_str_sub(whole, at[i], at[i + 1]);
	return SP_OK;
}

sp_str cni_args_of(const sp_cri_pod_sandbox_config *c, sp_str id, sp_arena *a)
{
	static const sp_cri_pod_sandbox_metadata none;
	const sp_cri_pod_sandbox_metadata *m = c->metadata != NULL ? c->metadata : &none;
	return sp_arena_printf(a,
			       "IgnoreUnknown=1;K8S_POD_NAMESPACE=" SP_FMT ";K8S_POD_NAME=" SP_FMT
			       ";K8S_POD_INFRA_CONTAINER_ID=" SP_FMT ";K8S_POD_UID=" SP_FMT,
			       SP_ARG(m->namespace), SP_ARG(m->name), SP_ARG(id), SP_ARG(m->uid));
}

/* ---- what plugins are given ---- */

/* Only what both sides know. */
static void write_runtime(sp_jout *j, yyjson_val *conf, const cni_capabilities *c)
{
	const struct {
		sp_str name, json;
	} all[] = {
		{SP_STR("portMappings"), c->port_mappings},
		{SP_STR("bandwidth"), c->bandwidth},
		{SP_STR("dns"), c->dns},
		{SP_STR("ipRanges"), c->ip_ranges},
		{SP_STR("aliases"), c->aliases},
		{SP_STR("cgroupPath"), c->cgroup_path},
		{SP_STR("io.kubernetes.cri.pod-annotations"), c->annotations},
	};
	yyjson_val *declared = sp_json_last(conf, SP_STR("capabilities"));
	bool any = false;
	for (size_t i = 0; i < SP_LEN(all); i++) {
		if (all[i].json.len == 0 || !yyjson_is_true(sp_json_last(declared, all[i].name)))
			continue;
		if (!any)
			sp_jout_member_open(j, SP_STR("runtimeConfig"), '{');
		any = true;
		sp_jout_member_raw(j, all[i].name, all[i].json);
	}
	if (any)
		sp_jout_close(j, '}');
}

static void write_valid(sp_jout *j, const cni_input *in)
{
	sp_jout_member_open(j, SP_STR("cni.dev/valid-attachments"), '[');
	for (size_t i = 0; i < in->n_valid; i++) {
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("containerID"), in->valid[i]);
		sp_jout_member_str(j, SP_STR("ifname"), IF_NAME);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
}

static bool is_ours(sp_str key)
{
	static const sp_str keys[] = {
		SP_STR_INIT("cniVersion"),         SP_STR_INIT("name"),
		SP_STR_INIT("prevResult"),         SP_STR_INIT("runtimeConfig"),
		SP_STR_INIT("capabilities"),       SP_STR_INIT("cni.dev/valid-attachments"),
		SP_STR_INIT("cni.dev/attachments")};
	for (size_t i = 0; i < SP_LEN(keys); i++) {
		if (sp_str_eq(key, keys[i]))
			return true;
	}
	return false;
}

void cni_input_write(const cni_input *in, size_t i, sp_buf *out)
{
	yyjson_val *conf = in->list->plugins[i].conf, *key, *value;
	sp_jout j = sp_jout_to(out);
	size_t k, n;
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("cniVersion"), in->list->version);
	sp_jout_member_str(&j, SP_STR("name"), in->list->name);
	yyjson_obj_foreach(conf, k, n, key, value)
	{
		if (is_ours(sp_json_str(key)))
			continue;
		sp_jout_key(&j, sp_json_str(key));
		(void)sp_json_write(out, value);
		j.comma = true;
	}
	if (in->caps != NULL)
		write_runtime(&j, conf, in->caps);
	if (in->prev.len > 0)
		sp_jout_member_raw(&j, SP_STR("prevResult"), in->prev);
	if (in->gc)
		write_valid(&j, in);
	sp_jout_close(&j, '}');
}

/* ---- what plugins say ---- */

/* An address belongs to the pod's interface when it says so, or says nothing (older versions). */
static bool is_of(yyjson_val *root, yyjson_val *ip, sp_str if_name)
{
	yyjson_val *index = sp_json_last(ip, SP_STR("interface"));
	if (index == NULL || yyjson_is_null(index))
		return true;
	yyjson_val *all = sp_json_last(root, SP_STR("interfaces"));
	yyjson_val *v = yyjson_is_uint(index) ? yyjson_arr_get(all, (size_t)yyjson_get_uint(index)) : NULL;
	return v != NULL && sp_json_str(sp_json_last(v, SP_STR("sandbox"))).len > 0 &&
	       sp_str_eq(sp_json_str(sp_json_last(v, SP_STR("name"))), if_name);
}

static bool add_ip(sp_str cidr, sp_arena *a, sp_ip *ips, size_t *n)
{
	(void)a;
	ptrdiff_t slash = sp_str_index(cidr, '/');
	return *n < CNI_IPS_MAX && slash > 0 && sp_ip_parse(sp_str_sub(cidr, 0, (size_t)slash), &ips[(*n)++]);
}

sp_code cni_result_parse(sp_str text, sp_str if_name, sp_arena *a, sp_str **ret_ips, size_t *ret_n,
			 sp_err *err)
{
	yyjson_val *root, *v;
	size_t i, n, n_ips = 0, n_out = 0;
	sp_ip ips[CNI_IPS_MAX];
	SP_TRY(sp_json_parse(a, text, &root, err));
	if (!yyjson_is_obj(root))
		return sp_fail(err, SP_EPROTO, "the plugin's result is no object");
	yyjson_val *all = sp_json_last(root, SP_STR("ips"));
	yyjson_arr_foreach(all, i, n, v)
	{
		if (is_of(root, v, if_name) &&
		    !add_ip(sp_json_str(sp_json_last(v, SP_STR("address"))), a, ips, &n_ips))
			return sp_fail(err, SP_EPROTO, "the plugin's result has a malformed address");
	}
	/* Versions 0.1.0 and 0.2.0. */
	static const sp_str old[] = {SP_STR_INIT("ip4"), SP_STR_INIT("ip6")};
	for (i = 0; i < SP_LEN(old); i++) {
		v = sp_json_last(sp_json_last(root, old[i]), SP_STR("ip"));
		if (v != NULL && !add_ip(sp_json_str(v), a, ips, &n_ips))
			return sp_fail(err, SP_EPROTO, "the plugin's result has a malformed address");
	}
	sp_str *out = sp_try_new(a, sp_str, n_ips + 1);
	if (out == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a plugin's result");
	for (int pass = 0; pass < 2; pass++) {
		for (i = 0; i < n_ips; i++) {
			char printed[SP_IP_TEXT_BYTES];
			if (ips[i].v4 != (pass == 0))
				continue;
			out[n_out] = sp_arena_try_dup(a, (sp_str){printed, sp_ip_print(printed, &ips[i])});
			if (out[n_out++].len == 0)
				return sp_fail(err, SP_ENOMEM, "no memory for a plugin's result");
		}
	}
	*ret_ips = out;
	*ret_n = n_out;
	return SP_OK;
}

sp_code cni_failure(sp_str type, const char *verb, sp_str output, sp_str errors, int status, sp_err *err)
{
	sp_arena a;
	yyjson_val *root = NULL;
	sp_arena_init(&a, (size_t)4 << 20);
	bool is_json = sp_json_parse(&a, output, &root, NULL) == SP_OK && yyjson_is_obj(root);
	sp_str msg = is_json ? sp_json_str(sp_json_last(root, SP_STR("msg"))) : (sp_str){NULL, 0};
	sp_str details = is_json ? sp_json_str(sp_json_last(root, SP_STR("details"))) : (sp_str){NULL, 0};
	sp_str said = sp_str_trim(errors);
	sp_code code = SP_EINTERNAL;
#define PREFIX "plugin type=\"" SP_FMT "\" failed (%s): "
	if (msg.len > 0 || details.len > 0)
		(void)sp_fail(err, code, PREFIX SP_FMT "%s" SP_FMT, SP_ARG(type), verb, SP_ARG(msg),
			      details.len > 0 ? "; " : "", SP_ARG(details));
	else if (said.len > 0 || output.len > 0)
		(void)sp_fail(err, code, PREFIX "netplugin failed: " SP_FMT, SP_ARG(type), verb,
			      SP_ARG(said.len > 0 ? said : sp_str_trim(output)));
	else
		(void)sp_fail(err, code, PREFIX "netplugin failed with no error message: exit status %d",
			      SP_ARG(type), verb, status);
	sp_arena_done(&a);
	return code;
}
