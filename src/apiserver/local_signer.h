/* SPDX-License-Identifier: Apache-2.0 */
/* A signer whose key is in this process, from a file in the data directory. */
#pragma once

#include "base/arena.h"
#include "contracts/signer.h"
#include "io/world.h"

/* Of a private key in PEM. SP_EUNSUPPORTED: no key for JWS. */
sp_code api_local_signer_new(sp_world *w, sp_str pem, sp_signer **ret, sp_err *err) SP_MUST_USE;

/* With the key in that file, which is made when it is not there (P-256, readable by the owner only). Blocks
 * on the disk: at start-up only. */
sp_code api_local_signer_open(sp_world *w, sp_str path, sp_signer **ret, sp_err *err) SP_MUST_USE;
