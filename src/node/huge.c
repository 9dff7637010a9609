/* SPDX-License-Identifier: Apache-2.0 */
#include "node/huge.h"

#include "base/num.h"
#include "base/quantity.h"
#include "node/resources.h"

#define RESOURCE_PREFIX SP_STR("hugepages-")
#define MEDIUM SP_STR("HugePages")
#define MEDIUM_PREFIX SP_STR("HugePages-")
#define FILE_BYTES_MAX 64u
#define KIB UINT64_C(1024)

/* ---- the machine ---- */

static uint64_t pages_of(sp_world *w, sp_str dir, sp_str name, sp_arena *a)
{
	sp_str text, path = SP_CONCAT(a, dir, SP_STR("/"), name, SP_STR("/nr_hugepages"));
	uint64_t n;
	if (path.ptr == NULL || sp_file_read_arena(w, path, a, FILE_BYTES_MAX, &text, NULL) != SP_OK ||
	    sp_parse_u64(sp_str_trim(text), 0, INT64_MAX, &n, NULL) != SP_OK)
		return 0;
	return n;
}

static void put_sorted(node_huge_sizes *sizes, node_huge one)
{
	size_t i = sizes->n;
	if (i == SP_POD_HUGE_MAX)
		return;
	for (; i > 0 && sizes->at[i - 1].page_bytes > one.page_bytes; i--)
		sizes->at[i] = sizes->at[i - 1];
	sizes->at[i] = one;
	sizes->n++;
}

void node_huge_read(sp_world *w, sp_str dir, sp_arena *scratch, node_huge_sizes *ret)
{
	sp_dir_entry *at;
	size_t n;
	*ret = (node_huge_sizes){.n = 0};
	if (sp_dir_list(w, dir, scratch, &at, &n, NULL) != SP_OK)
		return;
	for (size_t i = 0; i < n; i++) {
		sp_str number = at[i].name;
		uint64_t kib, bytes;
		int64_t total;
		if (!sp_str_take(&number, RESOURCE_PREFIX) || !sp_str_ends(number, SP_STR("kB")) ||
		    sp_parse_u64(sp_str_sub(number, 0, number.len - 2), 1, INT64_MAX / KIB, &kib, NULL) !=
			    SP_OK)
			continue;
		bytes = kib * KIB;
		if (!sp_mul((int64_t)bytes, (int64_t)pages_of(w, dir, at[i].name, scratch), &total))
			continue;
		put_sorted(ret, (node_huge){.page_bytes = bytes, .total_bytes = total});
	}
}

/* ---- names ---- */

/* In the largest unit that leaves nothing over. */
static void name_of(uint64_t bytes, const char *prefix, const char *const units[4],
		    char out[NODE_HUGE_NAME_BYTES])
{
	size_t unit = 0;
	while (unit + 1 < 4 && bytes >= KIB && bytes % KIB == 0) {
		bytes /= KIB;
		unit++;
	}
	(void)snprintf(out, NODE_HUGE_NAME_BYTES, "%s%llu%s", prefix, (unsigned long long)bytes, units[unit]);
}

void node_huge_resource(uint64_t page_bytes, char out[NODE_HUGE_NAME_BYTES])
{
	static const char *const units[] = {"", "Ki", "Mi", "Gi"};
	name_of(page_bytes, "hugepages-", units, out);
}

void node_huge_cgroup_name(uint64_t page_bytes, char out[NODE_HUGE_NAME_BYTES])
{
	static const char *const units[] = {"B", "KB", "MB", "GB"};
	name_of(page_bytes, "", units, out);
}

/* 0: it is none. */
static uint64_t page_of(sp_str name, sp_str prefix)
{
	sp_qty q;
	if (!sp_str_take(&name, prefix) || sp_qty_parse(name, &q, NULL) != SP_OK || sp_qty_value(&q) <= 0)
		return 0;
	return (uint64_t)sp_qty_value(&q);
}

/* ---- pods ---- */

void node_huge_of_pod(const node_huge_sizes *sizes, const node_pod *p, sp_pod_cgroup *ret)
{
	ret->n_huge = sizes->n;
	for (size_t i = 0; i < sizes->n; i++) {
		char name[NODE_HUGE_NAME_BYTES];
		node_huge_resource(sizes->at[i].page_bytes, name);
		ret->huge[i] = (sp_pod_huge){.page_bytes = sizes->at[i].page_bytes,
					     .limit_bytes = node_pod_request(p, sp_str_c(name))};
	}
}

typedef struct search {
	uint64_t wanted; /* 0: any */
	uint64_t found;  /* 0: none yet */
	bool differs;    /* several sizes, where any would do */
} search;

static void look_in(search *s, yyjson_val *requests)
{
	yyjson_val *key, *value;
	size_t i, n;
	if (!yyjson_is_obj(requests))
		return;
	yyjson_obj_foreach(requests, i, n, key, value)
	{
		uint64_t page = page_of(sp_json_str(key), RESOURCE_PREFIX);
		if (page == 0 || (s->wanted != 0 && page != s->wanted))
			continue;
		s->differs |= s->found != 0 && s->found != page;
		s->found = page;
	}
}

sp_code node_huge_medium(const node_pod *p, sp_str medium, uint64_t *ret_page_bytes, sp_err *err)
{
	search s = {.wanted = page_of(medium, MEDIUM_PREFIX)};
	if (s.wanted == 0 && !sp_str_eq(medium, MEDIUM))
		return sp_fail(err, SP_EINVAL, "unknown storage medium \"" SP_FMT "\"", SP_ARG(medium));
	look_in(&s, sp_view_at(p->v.resources, "requests"));
	for (size_t i = 0; i < p->n_init + p->n_regular; i++)
		look_in(&s, p->containers[i].v.requests.object);
	if (s.differs)
		return sp_fail(err, SP_EINVAL,
			       "medium: " SP_FMT
			       " can't be used if container requests multiple huge page sizes",
			       SP_ARG(medium));
	if (s.found == 0)
		return sp_fail(
			err, SP_EINVAL,
			"medium " SP_FMT
			": hugePages storage requested, but there is no resource request for huge pages",
			SP_ARG(medium));
	*ret_page_bytes = s.found;
	return SP_OK;
}
