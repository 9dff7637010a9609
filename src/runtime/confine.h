/* SPDX-License-Identifier: Apache-2.0 */
/* What the runtime's process without root gives up before it hears anybody. */
#pragma once

#include "base/err.h"

/*
 * From now on this process and its threads may do what files, sockets (unix, IP, netlink's questions),
 * memory, threads and time take, and nothing else: no other program, no process, namespace, mount, trace,
 * key, module or BPF. Everything else is EPERM: the list is of what is allowed. SP_EUNSUPPORTED with what the
 * kernel refused. Builds with a sanitizer, which need more, keep all.
 */
sp_code rt_confine(sp_err *err) SP_MUST_USE;
