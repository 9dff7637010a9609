/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts and devices of a container. */
#include "base/json_out.h"
#include "runtime/spec.h"

#define OPTIONS_MAX 12

typedef struct entry {
	sp_str target, type, source;
	sp_str options[OPTIONS_MAX];
	size_t n_options;
	size_t depth; /* components of the target */
} entry;

/* ---- what every container has ---- */

typedef struct fixed {
	sp_str target, type, source, options; /* comma-separated */
} fixed;

#define ROW(target_, type_, source_, options_)                                                        \
	{                                                                                             \
		SP_STR_INIT(target_), SP_STR_INIT(type_), SP_STR_INIT(source_), SP_STR_INIT(options_) \
	}
static const fixed rows[] = {
	ROW("/proc", "proc", "proc", "nosuid,noexec,nodev"),
	ROW("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
	ROW("/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
	ROW("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"),
	ROW("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev"),
	ROW("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime"),
};

static void add_option(entry *e, sp_str o)
{
	SP_ASSERT(e->n_options < OPTIONS_MAX);
	e->options[e->n_options++] = o;
}

static size_t depth_of(sp_str path)
{
	size_t n = 0;
	for (size_t i = 0; i < path.len; i++)
		n += path.ptr[i] == '/' && i + 1 < path.len;
	return n;
}

static void add_fixed(entry *e, const fixed *f, bool privileged)
{
	sp_str rest = f->options, o;
	*e = (entry){.target = f->target, .type = f->type, .source = f->source, .depth = depth_of(f->target)};
	while (sp_str_cut(&rest, ',', &o))
		add_option(e, o);
	add_option(e, rest);
	if (sp_str_starts(f->target, SP_STR("/sys")))
		add_option(e, privileged ? SP_STR("rw") : SP_STR("ro"));
}

/* ---- what the sandbox gives ---- */

static bool is_asked(const rt_spec *s, sp_str target)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		sp_str at = s->mounts[i].cri->container_path;
		while (at.len > 1 && at.ptr[at.len - 1] == '/')
			at.len--;
		if (sp_str_eq(at, target))
			return true;
	}
	return false;
}

static void bind(entry *e, sp_str target, sp_str source, bool readonly)
{
	*e = (entry){.target = target, .type = SP_STR("bind"), .source = source, .depth = depth_of(target)};
	add_option(e, SP_STR("rbind"));
	add_option(e, SP_STR("rprivate"));
	add_option(e, readonly ? SP_STR("ro") : SP_STR("rw"));
}

static size_t add_sandbox(entry *e, const rt_spec *s)
{
	const sp_cri_linux_container_config *l = s->config->linux_;
	bool readonly = l != NULL && l->security_context != NULL && l->security_context->readonly_rootfs;
	const struct {
		sp_str target, source;
		bool readonly;
	} files[] = {
		{SP_STR("/etc/hostname"), s->hostname, readonly},
		{SP_STR("/etc/hosts"), s->hosts, readonly},
		{SP_STR("/etc/resolv.conf"), s->resolv, readonly},
		{SP_STR("/dev/shm"), s->shm.len > 0 ? s->shm : SP_STR("/dev/shm"), false},
	};
	size_t n = 0;
	for (size_t i = 0; i < SP_LEN(files); i++) {
		if (files[i].source.len > 0 && !is_asked(s, files[i].target))
			bind(&e[n++], files[i].target, files[i].source, files[i].readonly);
	}
	return n;
}

/* ---- what the request asks for ---- */

static const sp_str propagations[] = {
	[SP_CRI_PROPAGATION_PRIVATE] = SP_STR_INIT("rprivate"),
	[SP_CRI_PROPAGATION_HOST_TO_CONTAINER] = SP_STR_INIT("rslave"),
	[SP_CRI_PROPAGATION_BIDIRECTIONAL] = SP_STR_INIT("rshared"),
};

static void add_asked(entry *e, const rt_mount *m)
{
	int32_t p = m->cri->propagation;
	*e = (entry){.target = m->cri->container_path,
		     .type = SP_STR("bind"),
		     .source = m->source,
		     .depth = depth_of(m->cri->container_path)};
	add_option(e, SP_STR("rbind"));
	add_option(e, propagations[p > 0 && p < (int32_t)SP_LEN(propagations) ? p : 0]);
	if (m->cri->recursive_read_only)
		add_option(e, SP_STR("rro"));
	else
		add_option(e, m->cri->readonly ? SP_STR("ro") : SP_STR("rw"));
}

/* Stable: what stands later hides what stands before at the same place. */
static void sort(entry *e, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		entry kept = e[i];
		size_t k = i;
		for (; k > 0 && e[k - 1].depth > kept.depth; k--)
			e[k] = e[k - 1];
		e[k] = kept;
	}
}

void rt_spec_mounts(sp_jout *j, const rt_spec *s, sp_arena *a)
{
	entry *e = sp_new(a, entry, SP_LEN(rows) + 4 + s->n_mounts);
	size_t n = 0;
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (!is_asked(s, rows[i].target))
			add_fixed(&e[n++], &rows[i], rt_spec_is_privileged(s));
	}
	size_t n_fixed = n;
	n += add_sandbox(e + n, s);
	for (size_t i = 0; i < s->n_mounts; i++)
		add_asked(&e[n++], &s->mounts[i]);
	sort(e + n_fixed, n - n_fixed);
	sp_jout_member_open(j, SP_STR("mounts"), '[');
	for (size_t i = 0; i < n; i++) {
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("destination"), e[i].target);
		sp_jout_member_str(j, SP_STR("type"), e[i].type);
		sp_jout_member_str(j, SP_STR("source"), e[i].source);
		sp_jout_member_strs(j, SP_STR("options"), e[i].options, e[i].n_options);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
}

/* ---- devices ---- */

void rt_spec_devices(sp_jout *j, const rt_spec *s)
{
	if (s->n_devices == 0)
		return;
	sp_jout_member_open(j, SP_STR("devices"), '[');
	for (size_t i = 0; i < s->n_devices; i++) {
		const rt_device *d = &s->devices[i];
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("path"), d->path);
		sp_jout_member_str(j, SP_STR("type"), d->type);
		sp_jout_member_i64(j, SP_STR("major"), d->major);
		sp_jout_member_i64(j, SP_STR("minor"), d->minor);
		sp_jout_member_i64(j, SP_STR("fileMode"), d->mode);
		sp_jout_member_i64(j, SP_STR("uid"), d->uid);
		sp_jout_member_i64(j, SP_STR("gid"), d->gid);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
}
