/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources: the device rules, and limits as the request has them. The OCI runtime turns them into what
 * the cgroup version has. */
#include "base/json_out.h"
#include "runtime/spec.h"

/* ---- devices ---- */

static void rule(sp_jout *j, bool allow, sp_str type, int64_t major, int64_t minor, sp_str access)
{
	sp_jout_open(j, '{');
	sp_jout_member_bool(j, SP_STR("allow"), allow);
	if (type.len > 0)
		sp_jout_member_str(j, SP_STR("type"), type);
	if (major >= 0)
		sp_jout_member_i64(j, SP_STR("major"), major);
	if (minor >= 0)
		sp_jout_member_i64(j, SP_STR("minor"), minor);
	sp_jout_member_str(j, SP_STR("access"), access);
	sp_jout_close(j, '}');
}

/* What the OCI runtime itself puts into /dev it also allows. */
static void device_rules(sp_jout *j, const rt_spec *s)
{
	bool privileged = rt_spec_is_privileged(s);
	sp_jout_member_open(j, SP_STR("devices"), '[');
	rule(j, privileged, (sp_str){NULL, 0}, -1, -1, SP_STR("rwm"));
	for (size_t i = 0; !privileged && i < s->n_devices; i++) {
		const rt_device *d = &s->devices[i];
		rule(j, true, d->type, d->major, d->minor,
		     d->permissions.len > 0 ? d->permissions : SP_STR("rwm"));
	}
	sp_jout_close(j, ']');
}

/* ---- limits ---- */

static void member(sp_jout *j, sp_str key, int64_t value)
{
	if (value != 0)
		sp_jout_member_i64(j, key, value);
}

static void cpu(sp_jout *j, const sp_cri_linux_container_resources *r)
{
	sp_jout_member_open(j, SP_STR("cpu"), '{');
	member(j, SP_STR("shares"), r->cpu_shares);
	member(j, SP_STR("quota"), r->cpu_quota);
	member(j, SP_STR("period"), r->cpu_period);
	if (r->cpuset_cpus.len > 0)
		sp_jout_member_str(j, SP_STR("cpus"), r->cpuset_cpus);
	if (r->cpuset_mems.len > 0)
		sp_jout_member_str(j, SP_STR("mems"), r->cpuset_mems);
	sp_jout_close(j, '}');
}

static void memory(sp_jout *j, const sp_cri_linux_container_resources *r)
{
	sp_jout_member_open(j, SP_STR("memory"), '{');
	member(j, SP_STR("limit"), r->memory_limit_in_bytes);
	/* A limit without a word about swap means: no swap beyond it. */
	member(j, SP_STR("swap"),
	       r->memory_swap_limit_in_bytes != 0 ? r->memory_swap_limit_in_bytes : r->memory_limit_in_bytes);
	sp_jout_close(j, '}');
}

/* A kubelet gives limits of all sizes to every container. U: containerd, tolerate_missing_hugetlb_controller.
 */
static void hugepages(sp_jout *j, const sp_cri_linux_container_resources *r)
{
	if (r->hugepage_limits.n == 0)
		return;
	sp_jout_member_open(j, SP_STR("hugepageLimits"), '[');
	for (size_t i = 0; i < r->hugepage_limits.n; i++) {
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("pageSize"), r->hugepage_limits.at[i].page_size);
		sp_jout_member_i64(j, SP_STR("limit"),
				   (int64_t)SP_MIN(r->hugepage_limits.at[i].limit, (uint64_t)INT64_MAX));
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
}

static void unified(sp_jout *j, const sp_cri_linux_container_resources *r)
{
	if (r->unified.n == 0)
		return;
	sp_jout_member_open(j, SP_STR("unified"), '{');
	for (size_t i = 0; i < r->unified.n; i++)
		sp_jout_member_str(j, r->unified.at[i].key, r->unified.at[i].value);
	sp_jout_close(j, '}');
}

void rt_spec_limits(sp_jout *j, const sp_cri_linux_container_resources *r, bool counts_huge, const rt_spec *s)
{
	if (s != NULL)
		device_rules(j, s);
	if (r == NULL)
		return;
	cpu(j, r);
	memory(j, r);
	if (counts_huge)
		hugepages(j, r);
	unified(j, r);
}

void rt_spec_resources(const sp_cri_linux_container_resources *r, bool counts_huge, sp_buf *out)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	rt_spec_limits(&j, r, counts_huge, NULL);
	sp_jout_close(&j, '}');
}
