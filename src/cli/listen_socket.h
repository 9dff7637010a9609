/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket that listens before the role that accepts from it has started, and while it starts again: clients
 * wait for an answer instead of being refused.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

/* TCP, at an IP address; closed on exec. SP_EUNAVAILABLE: the port is taken. */
sp_code cli_listen_socket(sp_str ip, uint16_t port, int *ret_fd, sp_err *err) SP_MUST_USE;
