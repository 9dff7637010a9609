/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities of a container. */
#include "base/json_out.h"
#include "runtime/spec.h"

#define DEFAULT true
static const struct {
	sp_str name; /* by number, so all of them are what kernel 5.9 and later have */
	bool by_default;
} caps[] = {
	{SP_STR_INIT("CHOWN"), DEFAULT},
	{SP_STR_INIT("DAC_OVERRIDE"), DEFAULT},
	{SP_STR_INIT("DAC_READ_SEARCH"), false},
	{SP_STR_INIT("FOWNER"), DEFAULT},
	{SP_STR_INIT("FSETID"), DEFAULT},
	{SP_STR_INIT("KILL"), DEFAULT},
	{SP_STR_INIT("SETGID"), DEFAULT},
	{SP_STR_INIT("SETUID"), DEFAULT},
	{SP_STR_INIT("SETPCAP"), DEFAULT},
	{SP_STR_INIT("LINUX_IMMUTABLE"), false},
	{SP_STR_INIT("NET_BIND_SERVICE"), DEFAULT},
	{SP_STR_INIT("NET_BROADCAST"), false},
	{SP_STR_INIT("NET_ADMIN"), false},
	{SP_STR_INIT("NET_RAW"), DEFAULT},
	{SP_STR_INIT("IPC_LOCK"), false},
	{SP_STR_INIT("IPC_OWNER"), false},
	{SP_STR_INIT("SYS_MODULE"), false},
	{SP_STR_INIT("SYS_RAWIO"), false},
	{SP_STR_INIT("SYS_CHROOT"), DEFAULT},
	{SP_STR_INIT("SYS_PTRACE"), false},
	{SP_STR_INIT("SYS_PACCT"), false},
	{SP_STR_INIT("SYS_ADMIN"), false},
	{SP_STR_INIT("SYS_BOOT"), false},
	{SP_STR_INIT("SYS_NICE"), false},
	{SP_STR_INIT("SYS_RESOURCE"), false},
	{SP_STR_INIT("SYS_TIME"), false},
	{SP_STR_INIT("SYS_TTY_CONFIG"), false},
	{SP_STR_INIT("MKNOD"), DEFAULT},
	{SP_STR_INIT("LEASE"), false},
	{SP_STR_INIT("AUDIT_WRITE"), DEFAULT},
	{SP_STR_INIT("AUDIT_CONTROL"), false},
	{SP_STR_INIT("SETFCAP"), DEFAULT},
	{SP_STR_INIT("MAC_OVERRIDE"), false},
	{SP_STR_INIT("MAC_ADMIN"), false},
	{SP_STR_INIT("SYSLOG"), false},
	{SP_STR_INIT("WAKE_ALARM"), false},
	{SP_STR_INIT("BLOCK_SUSPEND"), false},
	{SP_STR_INIT("AUDIT_READ"), false},
	{SP_STR_INIT("PERFMON"), false},
	{SP_STR_INIT("BPF"), false},
	{SP_STR_INIT("CHECKPOINT_RESTORE"), false},
};

static bool is_all(sp_str name)
{
	return sp_str_eq_nocase(name, SP_STR("ALL"));
}

uint64_t rt_spec_capability(sp_str name)
{
	if (name.len > 4 && sp_str_eq_nocase(sp_str_sub(name, 0, 4), SP_STR("CAP_")))
		name = sp_str_sub(name, 4, name.len);
	for (size_t i = 0; i < SP_LEN(caps); i++) {
		if (sp_str_eq_nocase(name, caps[i].name))
			return UINT64_C(1) << i;
	}
	return 0;
}

sp_code rt_spec_check_capabilities(const sp_cri_linux_container_security_context *sc, sp_err *err)
{
	const sp_cri_capability *c = sc == NULL ? NULL : sc->capabilities;
	for (size_t i = 0; c != NULL && i < c->add_capabilities.n + c->drop_capabilities.n; i++) {
		sp_str name = i < c->add_capabilities.n ? c->add_capabilities.at[i]
							: c->drop_capabilities.at[i - c->add_capabilities.n];
		if (!is_all(name) && rt_spec_capability(name) == 0)
			return sp_fail(err, SP_EINVAL, "unknown capability \"" SP_FMT "\"", SP_ARG(name));
	}
	return SP_OK;
}

static uint64_t with(uint64_t set, const sp_str *names, size_t n, bool add)
{
	/* ALL first, whatever its place: single names are exceptions from it. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n; i++) {
			if (is_all(names[i]) != (pass == 0))
				continue;
			uint64_t bits = is_all(names[i]) ? (UINT64_C(1) << SP_LEN(caps)) - 1
							 : rt_spec_capability(names[i]);
			set = add ? set | bits : set & ~bits;
		}
	}
	return set;
}

static uint64_t asked(const sp_cri_linux_container_security_context *sc)
{
	const sp_cri_capability *c = sc == NULL ? NULL : sc->capabilities;
	uint64_t set = 0;
	if (sc != NULL && sc->privileged)
		return (UINT64_C(1) << SP_LEN(caps)) - 1;
	for (size_t i = 0; i < SP_LEN(caps); i++)
		set |= (uint64_t)caps[i].by_default << i;
	if (c == NULL)
		return set;
	/* "drop ALL, add X" has X, "add ALL, drop X" lacks it. */
	bool drop_all = false, add_all = false;
	for (size_t i = 0; i < c->drop_capabilities.n; i++)
		drop_all = drop_all || is_all(c->drop_capabilities.at[i]);
	for (size_t i = 0; i < c->add_capabilities.n; i++)
		add_all = add_all || is_all(c->add_capabilities.at[i]);
	if (drop_all && !add_all)
		return with(0, c->add_capabilities.at, c->add_capabilities.n, true);
	set = with(set, c->add_capabilities.at, c->add_capabilities.n, true);
	return with(set, c->drop_capabilities.at, c->drop_capabilities.n, false);
}

static void member(sp_jout *j, sp_str key, uint64_t set)
{
	sp_jout_member_open(j, key, '[');
	for (size_t i = 0; i < SP_LEN(caps); i++) {
		char text[40];
		if ((set >> i & 1) == 0)
			continue;
		int n = snprintf(text, sizeof text, "CAP_" SP_FMT, SP_ARG(caps[i].name));
		sp_jout_str(j, (sp_str){text, (size_t)n});
	}
	sp_jout_close(j, ']');
}

uint64_t rt_spec_effective(const sp_cri_linux_container_security_context *sc, uint64_t may)
{
	return asked(sc) & may;
}

void rt_spec_capabilities(sp_jout *j, const sp_cri_linux_container_security_context *sc, uint64_t may)
{
	uint64_t set = rt_spec_effective(sc, may), ambient = 0;
	if (sc != NULL && sc->capabilities != NULL)
		ambient = with(0, sc->capabilities->add_ambient_capabilities.at,
			       sc->capabilities->add_ambient_capabilities.n, true);
	ambient &= may;
	sp_jout_member_open(j, SP_STR("capabilities"), '{');
	member(j, SP_STR("bounding"), set | ambient);
	member(j, SP_STR("effective"), set | ambient);
	member(j, SP_STR("permitted"), set | ambient);
	if (ambient != 0) {
		member(j, SP_STR("inheritable"), ambient);
		member(j, SP_STR("ambient"), ambient);
	}
	sp_jout_close(j, '}');
}
