/* SPDX-License-Identifier: Apache-2.0 */
/* What this program is, and the Kubernetes release whose API it serves. */
#pragma once

#define SP_VERSION "0.1.0"
#define SP_KUBERNETES_MAJOR "1"
#define SP_KUBERNETES_MINOR "36"
#define SP_KUBERNETES_VERSION "v1.36.2"
