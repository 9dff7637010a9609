/* SPDX-License-Identifier: Apache-2.0 */
/* What the keys process gives up before it reads a key. */
#pragma once

#include "base/err.h"

/*
 * Private numbers are kept in memory that is locked and left out of dumps; the process leaves no core file
 * and nobody of its own user may trace it; from now on it can make no sockets but unix ones, run no other
 * program and trace nobody (a seccomp filter of few lines). SP_EUNSUPPORTED with what the kernel refused.
 */
sp_code keys_confine(sp_err *err) SP_MUST_USE;
