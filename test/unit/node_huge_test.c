/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages: the machine's, names, limits of cgroups and containers, volumes of them. */
#include "node/huge.h"

#include <unistd.h>

#include "lib/peer.h"
#include "lib/t.h"
#include "node/cgroups.h"
#include "node/config.h"
#include "node/files.h"

#define MIB (INT64_C(1) << 20)

static sp_str in_tmp(const char *name)
{
	return sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), name);
}

static void put(const char *name, const char *text)
{
	const sp_pod_file_owner same = {SP_POD_FILES_SAME, SP_POD_FILES_SAME};
	sp_pod_files *f = node_files();
	if (f->write(f, in_tmp(name), sp_str_c(text), 0644, same, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "%s: %s", name, T_ERR->msg);
}

static sp_str text_of(const char *name)
{
	sp_str text = {NULL, 0};
	sp_pod_files *f = node_files();
	return f->read_tail(f, in_tmp(name), 100, T_ARENA, &text, NULL) == SP_OK ? text : SP_STR("-");
}

SP_TEST(node_huge, machine)
{
	node_huge_sizes sizes;
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	put("huge/hugepages-1048576kB/nr_hugepages", "0\n");
	put("huge/hugepages-2048kB/nr_hugepages", "3\n");
	put("huge/hugepages-64kB/nr_hugepages", "nonsense\n");
	put("huge/hugepages-xkB/nr_hugepages", "7\n");
	put("huge/other/nr_hugepages", "7\n");
	node_huge_read(w, in_tmp("huge"), T_ARENA, &sizes);
	T_EQ_U64(sizes.n, 3);
	T_EQ_U64(sizes.at[0].page_bytes, 65536);
	T_EQ_I64(sizes.at[0].total_bytes, 0);
	T_EQ_U64(sizes.at[1].page_bytes, 2 * MIB);
	T_EQ_I64(sizes.at[1].total_bytes, 6 * MIB);
	T_EQ_U64(sizes.at[2].page_bytes, 1024 * MIB);
	node_huge_read(w, in_tmp("none"), T_ARENA, &sizes);
	T_EQ_U64(sizes.n, 0);
}

SP_TEST(node_huge, names)
{
	static const struct {
		uint64_t bytes;
		const char *resource, *cgroup;
	} rows[] = {{65536, "hugepages-64Ki", "64KB"},
		    {2 * MIB, "hugepages-2Mi", "2MB"},
		    {1024 * MIB, "hugepages-1Gi", "1GB"},
		    {16384 * MIB, "hugepages-16Gi", "16GB"}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		char name[NODE_HUGE_NAME_BYTES];
		node_huge_resource(rows[i].bytes, name);
		T_EQ_C(sp_str_c(name), rows[i].resource);
		node_huge_cgroup_name(rows[i].bytes, name);
		T_EQ_C(sp_str_c(name), rows[i].cgroup);
	}
}

static node_pod *parse(const char *spec)
{
	node_pod *p = NULL;
	sp_str json = sp_arena_printf(
		T_ARENA, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":{%s}}",
		spec);
	if (json.ptr != NULL && node_pod_parse(json, &p, T_ERR) == SP_OK)
		T_DEFER(node_pod_free, p);
	return p;
}

#define ASKS(a, b)                                                                                           \
	"\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"resources\":{\"requests\":{" a "},\"limits\":{" a \
	"}}},{\"name\":\"b\",\"image\":\"i\",\"resources\":{\"requests\":{" b "}}}]"
#define TWO "\"hugepages-2Mi\":\"4Mi\""
#define ONE_GIG "\"hugepages-1Gi\":\"1Gi\""

SP_TEST(node_huge, media)
{
	static const struct {
		const char *spec, *medium;
		uint64_t page_bytes;
		const char *error;
	} rows[] = {
		{ASKS(TWO, ""), "HugePages", 2 * MIB, NULL},
		{ASKS(TWO, TWO), "HugePages", 2 * MIB, NULL},
		{ASKS(TWO, ONE_GIG), "HugePages", 0,
		 "medium: HugePages can't be used if container requests multiple huge page sizes"},
		{ASKS(TWO, ONE_GIG), "HugePages-1Gi", 1024 * MIB, NULL},
		{ASKS(TWO, ONE_GIG), "HugePages-2Mi", 2 * MIB, NULL},
		{ASKS(TWO, ""), "HugePages-1Gi", 0,
		 "medium HugePages-1Gi: hugePages storage requested, but there is no resource request for "
		 "huge "
		 "pages"},
		{ASKS("\"cpu\":\"1\"", ""), "HugePages", 0,
		 "medium HugePages: hugePages storage requested, but there is no resource request for huge "
		 "pages"},
		{"\"resources\":{\"requests\":{" TWO "}}," ASKS("\"cpu\":\"1\"", ""), "HugePages", 2 * MIB,
		 NULL},
		{ASKS(TWO, ""), "Tape", 0, "unknown storage medium \"Tape\""},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		uint64_t page = 0;
		sp_err err = {0};
		node_pod *p = parse(rows[i].spec);
		t_row("%zu", i);
		T_TRUE(p != NULL);
		T_CODE(node_huge_medium(p, sp_str_c(rows[i].medium), &page, &err),
		       rows[i].error == NULL ? SP_OK : SP_EINVAL);
		T_EQ_U64(page, rows[i].page_bytes);
		T_EQ_C(sp_str_c(err.msg), rows[i].error == NULL ? "" : rows[i].error);
	}
}

static const node_huge_sizes sizes = {.at = {{2 * MIB, 8 * MIB}, {1024 * MIB, 0}}, .n = 2};

/* What the pod asks for altogether; nothing of other sizes. */
SP_TEST(node_huge, cgroups)
{
	sp_pod_cgroup limits = {.cpu_shares = 2};
	node_pod *p = parse(ASKS(TWO, TWO));
	T_TRUE(p != NULL);
	node_huge_of_pod(&sizes, p, &limits);
	T_EQ_U64(limits.n_huge, 2);
	T_EQ_I64(limits.huge[0].limit_bytes, 8 * MIB);
	T_EQ_I64(limits.huge[1].limit_bytes, 0);
	put("v1/hugetlb/kp/podu/hugetlb.2MB.limit_in_bytes", "");
	put("v1/hugetlb/kp/podu/hugetlb.1GB.limit_in_bytes", "");
	put("v1/hugetlb/kp/podu/hugetlb.2MB.rsvd.limit_in_bytes", "");
	T_OK(node_cgroup_set(in_tmp("v1"), SP_STR("/kp/podu"), &limits, T_ERR));
	T_EQ_C(text_of("v1/hugetlb/kp/podu/hugetlb.2MB.limit_in_bytes"), "8388608");
	T_EQ_C(text_of("v1/hugetlb/kp/podu/hugetlb.2MB.rsvd.limit_in_bytes"), "8388608");
	T_EQ_C(text_of("v1/hugetlb/kp/podu/hugetlb.1GB.limit_in_bytes"), "0");
	put("v2/cgroup.controllers", "");
	put("v2/kp/podu/hugetlb.2MB.max", "");
	put("v2/kp/podu/hugetlb.1GB.max", "");
	T_OK(node_cgroup_set(in_tmp("v2"), SP_STR("/kp/podu"), &limits, T_ERR));
	T_EQ_C(text_of("v2/kp/podu/hugetlb.2MB.max"), "8388608");
	T_EQ_C(text_of("v2/kp/podu/hugetlb.1GB.max"), "0");
}

/* A container has its own limit, or the pod's; of sizes without one it gets nothing. */
SP_TEST(node_huge, containers)
{
	static const struct {
		const char *spec, *want;
	} rows[] = {
		{ASKS(TWO, ""), "2MB=4194304 1GB=0 "},
		{ASKS("\"cpu\":\"1\"", ""), "2MB=0 1GB=0 "},
		{"\"resources\":{\"limits\":{" ONE_GIG "}}," ASKS(TWO, ""), "2MB=4194304 1GB=1073741824 "},
	};
	const node_place place = {.root = SP_STR("/r"), .log_root = SP_STR("/l"), .huge = sizes};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_env env = {0};
		sp_cri_container_config *config;
		SP_AUTO_BUF out;
		sp_buf_init(&out, 4096);
		node_pod *p = parse(rows[i].spec);
		t_row("%zu", i);
		T_TRUE(p != NULL);
		const node_container_input in = {
			.pod = p, .c = node_pod_regular(p, 0), .place = &place, .env = &env};
		T_OK(node_container_config(&in, T_ARENA, &config, T_ERR));
		const sp_cri_linux_container_resources *r = config->linux_->resources;
		for (size_t k = 0; k < r->hugepage_limits.n; k++)
			(void)sp_buf_printf(&out, SP_FMT "=%llu ", SP_ARG(r->hugepage_limits.at[k].page_size),
					    (unsigned long long)r->hugepage_limits.at[k].limit);
		T_EQ_C(sp_buf_view(&out), rows[i].want);
	}
}

/* The machine has the pages only when somebody set them aside; a mount needs none. */
SP_TEST(node_huge, volumes)
{
	sp_pod_files *f = node_files();
	sp_err err = {0};
	if (geteuid() != 0 || access("/sys/kernel/mm/hugepages/hugepages-2048kB", F_OK) != 0)
		t_skip("mounts of huge pages need root, and a kernel with them");
	const sp_pod_mount m = {.page_bytes = 2 * MIB, .mode = 02777, .gid = 4242};
	T_OK(f->mount_memory(f, in_tmp("v"), &m, T_ERR));
	T_OK(f->mount_memory(f, in_tmp("v"), &m, T_ERR)); /* it is there */
	T_OK(f->remove_tree(f, in_tmp("v"), T_ERR));
	const sp_pod_mount none = {.page_bytes = 12345, .mode = 0777, .gid = SP_POD_FILES_SAME};
	T_TRUE(f->mount_memory(f, in_tmp("v"), &none, &err) != SP_OK);
	T_OK(f->remove_tree(f, in_tmp("v"), T_ERR));
}
