/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/checks.h"

#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/num.h"
#include "cli/cluster.h"
#include "cli/process.h"
#include "host/nft/nft.h"
#include "io/file.h"
#include "io/stream.h"
#include "io/tls/x509.h"
#include "io/world.h"

#define MIB ((uint64_t)1 << 20)
#define DISK_BAD (256 * MIB)
#define DISK_LOW (2048 * MIB)
#define MEMORY_LOW_MIB 256
#define AUTHORITY_LOW_DAYS 180
#define TEXT_BYTES_MAX ((size_t)1 << 20)
#define BUILT_S INT64_C(1780000000) /* no clock is right that is before this program */

typedef struct checking {
	sp_world *world;
	sp_arena *arena;
	const cli_check_opts *o;
} checking;

static cli_finding good(sp_str found)
{
	return (cli_finding){.grade = CLI_GOOD, .found = found};
}

static cli_finding fault(cli_grade grade, sp_str found, sp_str fix)
{
	return (cli_finding){.grade = grade, .found = found, .fix = fix};
}

static sp_str text_of(checking *c, const char *path)
{
	sp_str text = {NULL, 0};
	(void)!sp_file_read_arena(c->world, sp_str_c(path), c->arena, TEXT_BYTES_MAX, &text, NULL);
	return text;
}

static bool is_there(checking *c, const char *path)
{
	sp_stat st;
	return sp_path_stat(c->world, sp_str_c(path), &st, NULL) == SP_OK;
}

static cli_finding check_root(checking *c)
{
	if (geteuid() == 0)
		return good(SP_STR("root"));
	return fault(CLI_BAD, sp_arena_printf(c->arena, "user %u", (unsigned)geteuid()),
		     SP_STR("containers need root: run it with sudo"));
}

static cli_finding check_kernel(checking *c)
{
	struct utsname u;
	sp_str major, rest, minor;
	uint64_t major_n, minor_n;
	if (uname(&u) != 0)
		return fault(CLI_BAD, SP_STR("unknown"), SP_STR("this is no Linux"));
	rest = sp_arena_try_dup(c->arena, sp_str_c(u.release));
	sp_str release = rest;
	bool known = sp_str_cut(&rest, '.', &major) && sp_str_cut(&rest, '.', &minor) &&
		     sp_parse_u64(major, 0, 1000, &major_n, NULL) == SP_OK &&
		     sp_parse_u64(minor, 0, 1000, &minor_n, NULL) == SP_OK;
	if (known && (major_n < 5 || (major_n == 5 && minor_n < 10)))
		return fault(CLI_BAD, release, SP_STR("Linux 5.10 or later is needed"));
	return good(release);
}

static cli_finding check_overlay(checking *c)
{
	if (sp_str_find(text_of(c, "/proc/filesystems"), SP_STR("\toverlay\n")) >= 0)
		return good(SP_STR("available"));
	return fault(CLI_BAD, SP_STR("missing"), SP_STR("load it: modprobe overlay"));
}

static cli_finding check_cgroups(checking *c)
{
	static const char *const wanted[] = {"cpu", "memory", "pids"};
	bool v2 = is_there(c, "/sys/fs/cgroup/cgroup.controllers");
	for (size_t i = 0; i < SP_LEN(wanted); i++) {
		sp_str v1 = sp_arena_printf(c->arena, "/sys/fs/cgroup/%s", wanted[i]);
		bool has = v2 ? sp_str_find(text_of(c, "/sys/fs/cgroup/cgroup.controllers"),
					    sp_str_c(wanted[i])) >= 0
			      : is_there(c, v1.ptr);
		if (!has)
			return fault(CLI_BAD, sp_arena_printf(c->arena, "no controller '%s'", wanted[i]),
				     SP_STR("mount cgroups with cpu, memory and pids (kernel option "
					    "cgroup_enable=memory)"));
	}
	return good(v2 ? SP_STR("version 2") : SP_STR("version 1"));
}

static cli_finding check_namespaces(checking *c)
{
	static const char *const wanted[] = {"net", "mnt", "pid", "uts", "ipc"};
	for (size_t i = 0; i < SP_LEN(wanted); i++) {
		sp_str path = sp_arena_printf(c->arena, "/proc/self/ns/%s", wanted[i]);
		if (access(path.ptr, F_OK) != 0)
			return fault(CLI_BAD, sp_arena_printf(c->arena, "no %s namespaces", wanted[i]),
				     SP_STR("this kernel cannot run containers"));
	}
	return good(SP_STR("available"));
}

bool cli_root_is_a_mount(sp_str mountinfo)
{
	sp_str line, field = {NULL, 0};
	while (sp_str_next(&mountinfo, '\n', &line)) {
		unsigned n = 0; /* ID PARENT DEVICE ROOT POINT … */
		while (n < 5 && sp_str_next(&line, ' ', &field))
			n++;
		if (n == 5 && sp_str_eq(field, SP_STR("/")))
			return true;
	}
	return false;
}

/* Where it is none (a bare chroot), no namespace of mounts can get another root: every container fails. */
static cli_finding check_root_mount(checking *c)
{
	sp_str text = text_of(c, "/proc/self/mountinfo");
	if (text.len == 0 || cli_root_is_a_mount(text))
		return good(text.len == 0 ? SP_STR("not known") : SP_STR("a mount"));
	return fault(
		CLI_BAD, SP_STR("not a mount"),
		SP_STR("containers cannot start in a bare chroot: mount --bind DIR DIR before chroot DIR"));
}

static cli_finding check_runtime(checking *c)
{
	static const char *const dirs[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					   "/usr/bin",        "/sbin",          "/bin"};
	static const char *const names[] = {"crun", "runc"};
	for (size_t n = 0; n < SP_LEN(names); n++) {
		for (size_t d = 0; d < SP_LEN(dirs); d++) {
			sp_str path = sp_arena_printf(c->arena, "%s/%s", dirs[d], names[n]);
			if (access(path.ptr, X_OK) == 0)
				return good(path);
		}
	}
	return fault(CLI_BAD, SP_STR("neither crun nor runc"), SP_STR("install one: apt-get install runc"));
}

static cli_finding check_nftables(checking *c)
{
	sp_err err = {0};
	sp_code code = host_nft_ask(&err);
	if (code == SP_EFORBIDDEN)
		return good(SP_STR("not asked (only root may)"));
	if (code != SP_OK)
		return fault(CLI_BAD, sp_arena_printf(c->arena, "%s", err.msg),
			     SP_STR("services need the kernel's nftables: modprobe nf_tables"));
	return good(SP_STR("available"));
}

static cli_finding check_bridge(checking *c)
{
	if (is_there(c, "/proc/sys/net/bridge/bridge-nf-call-iptables"))
		return good(SP_STR("filtered"));
	return fault(CLI_WARNING, SP_STR("not filtered"),
		     SP_STR("a pod may not reach a service that runs beside it: modprobe br_netfilter"));
}

static void on_probe(void *arg, sp_stream *s)
{
	(void)arg;
	sp_stream_close(s);
}

static cli_finding check_port(checking *c)
{
	sp_listener *l = NULL;
	sp_err err = {0};
	if (c->o->port == 0)
		return good(SP_STR("ours"));
	sp_str address = sp_arena_printf(c->arena, "0.0.0.0:%u", (unsigned)c->o->port);
	if (sp_listen(c->world, address, NULL, on_probe, NULL, &l, &err) != SP_OK)
		return fault(CLI_BAD, sp_arena_printf(c->arena, "%u is taken", (unsigned)c->o->port),
			     SP_STR("stop what listens there, or choose another with --secure-port"));
	sp_listener_close(l);
	return good(sp_arena_printf(c->arena, "%u is free", (unsigned)c->o->port));
}

/* Of the node: of its kubelet API, and where the cluster's DNS is served. */
static cli_finding check_node_ports(checking *c)
{
	static const char *const ports[] = {"10250", CLI_DNS_PORT};
	sp_err err = {0};
	if (c->o->port == 0)
		return good(SP_STR("ours"));
	for (size_t i = 0; i < SP_LEN(ports); i++) {
		sp_listener *l = NULL;
		sp_str address = sp_arena_printf(c->arena, "0.0.0.0:%s", ports[i]);
		if (sp_listen(c->world, address, NULL, on_probe, NULL, &l, &err) != SP_OK)
			return fault(CLI_BAD, sp_arena_printf(c->arena, "%s is taken", ports[i]),
				     SP_STR("stop what listens there: another kubelet, another cluster?"));
		sp_listener_close(l);
	}
	return good(SP_STR("10250 and " CLI_DNS_PORT " are free"));
}

static cli_finding check_helpers(checking *c)
{
	static const char *const names[] = {"containerd-shim-sampan-v1", "sampan-unpack"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		sp_str path = cli_beside(c->arena, names[i]);
		if (access(path.ptr, X_OK) != 0)
			return fault(
				CLI_BAD, sp_arena_printf(c->arena, "no %s", names[i]),
				SP_STR("it belongs beside the program sampan: 'make install' brings it"));
	}
	return good(SP_STR("beside this program"));
}

static cli_finding check_memory(checking *c)
{
	sp_str text = text_of(c, "/proc/meminfo"), line;
	uint64_t kib = 0;
	while (sp_str_cut(&text, '\n', &line)) {
		if (!sp_str_take(&line, SP_STR("MemAvailable:")))
			continue;
		line = sp_str_trim(line);
		ptrdiff_t blank = sp_str_index(line, ' ');
		if (blank < 0 ||
		    sp_parse_u64(sp_str_sub(line, 0, (size_t)blank), 0, INT64_MAX, &kib, NULL) != SP_OK)
			kib = 0;
	}
	sp_str found = sp_arena_printf(c->arena, "%llu MiB free", (unsigned long long)(kib / 1024));
	return kib / 1024 >= MEMORY_LOW_MIB
		       ? good(found)
		       : fault(CLI_WARNING, found, SP_STR("pods may find none: end something else"));
}

/* Whatever else ends is made anew by itself. */
static cli_finding check_authority(checking *c)
{
	sp_x509_info *all;
	size_t n;
	sp_str path = SP_CONCAT(c->arena, c->o->data_dir, SP_STR("/pki/ca.crt"));
	sp_str pem = text_of(c, path.ptr);
	if (pem.len == 0 || sp_x509_inspect_pem(pem, c->arena, &all, &n, NULL) != SP_OK)
		return good(SP_STR("made at the first start"));
	int64_t days = (all[0].not_after_s - sp_wall_ns(c->world) / 1000000000) / 86400;
	sp_str found = sp_arena_printf(c->arena, "ends in %lld days", (long long)days);
	if (days >= AUTHORITY_LOW_DAYS)
		return good(found);
	return fault(days > 0 ? CLI_WARNING : CLI_BAD, found,
		     SP_STR("plan a new cluster or a new ca.crt and ca.key: clients must learn to trust it"));
}

/* Of the nearest directory above that exists. */
static cli_finding check_disk(checking *c)
{
	struct statvfs st;
	sp_str dir = c->o->data_dir;
	sp_str path = sp_arena_try_dup(c->arena, dir);
	while (statvfs(path.ptr, &st) != 0) {
		ptrdiff_t slash = sp_str_rindex(dir, '/');
		if (slash < 0)
			return fault(CLI_WARNING, SP_STR("unknown"),
				     SP_STR("--data-dir is an absolute path"));
		dir = sp_str_sub(dir, 0, (size_t)slash);
		path = slash == 0 ? SP_STR("/") : sp_arena_try_dup(c->arena, dir);
	}
	uint64_t free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	sp_str found = sp_arena_printf(c->arena, "%llu MiB free", (unsigned long long)(free_bytes / MIB));
	if (free_bytes >= DISK_LOW)
		return good(found);
	return fault(free_bytes < DISK_BAD ? CLI_BAD : CLI_WARNING, found,
		     SP_STR("make room, or choose another place with --data-dir"));
}

static cli_finding check_clock(checking *c)
{
	if (sp_wall_ns(c->world) / 1000000000 > BUILT_S)
		return good(SP_STR("plausible"));
	return fault(CLI_BAD, SP_STR("in the past"), SP_STR("certificates need the time: set the clock"));
}

static const struct {
	const char *what;
	cli_finding (*run)(checking *c);
} checks[] = {
	{"user", check_root},
	{"kernel", check_kernel},
	{"overlayfs", check_overlay},
	{"cgroups", check_cgroups},
	{"namespaces", check_namespaces},
	{"root", check_root_mount},
	{"OCI runtime", check_runtime},
	{"helpers", check_helpers},
	{"nftables", check_nftables},
	{"bridge", check_bridge},
	{"API port", check_port},
	{"node ports", check_node_ports},
	{"memory", check_memory},
	{"disk", check_disk},
	{"clock", check_clock},
	{"authority", check_authority},
};

sp_code cli_check_host(sp_world *w, sp_arena *a, const cli_check_opts *o, cli_finding **ret, size_t *ret_n,
		       sp_err *err)
{
	checking c = {w, a, o};
	cli_finding *all = sp_try_new(a, cli_finding, SP_LEN(checks));
	if (all == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory");
	for (size_t i = 0; i < SP_LEN(checks); i++) {
		all[i] = checks[i].run(&c);
		all[i].what = checks[i].what;
	}
	*ret = all;
	*ret_n = SP_LEN(checks);
	return SP_OK;
}
