/* SPDX-License-Identifier: Apache-2.0 */
/* nftables by libnftables, which is opened at first use only. U: libnftables(3). */
#pragma once

#include "base/err.h"

/*
 * Runs commands in one transaction: all of them or none. Blocks; from one thread at a time. `commands` ends
 * with a NUL that is not counted. SP_EUNSUPPORTED: no library; SP_EINVAL with what nftables says.
 */
sp_code host_nft_run(sp_str commands, sp_err *err) SP_MUST_USE;
