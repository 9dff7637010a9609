/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/cells.h"
#include "kube/kinds/service_int.h"

static yyjson_mut_val *cluster_ip_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *ips = sp_kv_list(sp_kv_get(obj, "spec"), "clusterIPs");
	return sp_cell_or_none(c, sp_jmut_str(yyjson_mut_arr_get_first(ips)));
}

static int cmp_strs(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

static void add(sp_buf *out, sp_str s)
{
	(void)sp_buf_str(out, out->len > 0 ? SP_STR(",") : SP_STR(""));
	(void)sp_buf_str(out, s);
}

/* Addresses and names that the load balancer has got, sorted, each once. */
static void balancer_addresses(sp_kind_ctx *c, sp_buf *out, yyjson_mut_val *list)
{
	sp_str *texts = sp_try_new(c->arena, sp_str, sp_kv_len(list));
	size_t n = 0;
	SP_KV_EACH (ingress, i, texts != NULL ? list : NULL) {
		sp_str ip = sp_kv_str(ingress, "ip"), name = sp_kv_str(ingress, "hostname");
		if (ip.len > 0 || name.len > 0)
			texts[n++] = ip.len > 0 ? ip : name;
	}
	if (n > 0)
		qsort(texts, n, sizeof(*texts), cmp_strs);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || !sp_str_eq(texts[i], texts[i - 1]))
			add(out, texts[i]);
	}
}

static yyjson_mut_val *external_ip_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	bool balancer = sp_service_is(obj, "LoadBalancer");
	SP_AUTO_BUF out;
	sp_buf_init(&out, c->arena->limit_bytes);
	if (sp_service_is(obj, "ExternalName"))
		return sp_cell_str(c, sp_kv_str(spec, "externalName"));
	if (!balancer && !sp_service_is(obj, "ClusterIP") && !sp_service_is(obj, "NodePort"))
		return sp_cell_str(c, SP_STR("<unknown>"));
	if (balancer)
		balancer_addresses(c, &out,
				   sp_kv_list(sp_kv_path(obj, "status", "loadBalancer", NULL), "ingress"));
	SP_KV_EACH (ip, i, sp_kv_list(spec, "externalIPs"))
		add(&out, sp_jmut_str(ip));
	if (out.len == 0)
		return sp_cell_str(c, balancer ? SP_STR("<pending>") : SP_STR("<none>"));
	return sp_cell_buf(c, &out);
}

static yyjson_mut_val *ports_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *ports = sp_kv_list(sp_kv_get(obj, "spec"), "ports");
	SP_AUTO_BUF out;
	sp_buf_init(&out, c->arena->limit_bytes);
	SP_KV_EACH (port, i, ports) {
		int64_t node = sp_kv_i64(port, "nodePort", 0);
		sp_str protocol = sp_kv_str(port, "protocol");
		(void)sp_buf_printf(&out, "%s%lld", i > 0 ? "," : "", (long long)sp_kv_i64(port, "port", 0));
		if (node > 0)
			(void)sp_buf_printf(&out, ":%lld", (long long)node);
		(void)sp_buf_printf(&out, "/" SP_FMT, SP_ARG(protocol));
	}
	return ports == NULL ? sp_cell_str(c, SP_STR("<none>")) : sp_cell_buf(c, &out);
}

static yyjson_mut_val *selector_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_labels(c, sp_kv_map(sp_kv_get(obj, "spec"), "selector"));
}

const sp_cell sp_service_cells[4] = {
	{SP_STR_INIT("Cluster-IP"), cluster_ip_cell},
	{SP_STR_INIT("External-IP"), external_ip_cell},
	{SP_STR_INIT("Port(s)"), ports_cell},
	{SP_STR_INIT("Selector"), selector_cell},
};
