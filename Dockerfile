# syntax=docker/dockerfile:1
# Debian 13 because its glibc (2.41) carries the current uWebSockets.js binary.

# dist/: built with everything the lock file names; package scripts stay off.
FROM node:24-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json tsconfig.build.json tsconfig.examples.json build.ts ./
RUN npm ci --ignore-scripts
COPY packages packages
COPY src src
COPY console console
COPY examples/chat.ts examples/
RUN npm run build
# The package of uWebSockets.js' binaries for this system, with the one of this Node.js.
RUN node --import tsx packages/uws/generate.ts --here binaries

# node_modules/: Socket.IO and what it needs; all else is in dist/.
FROM node:24-trixie-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:24-trixie-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/binaries node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY deploy/image/health.mjs ./
# A number, so that Kubernetes' runAsNonRoot can tell; it is the base image's user `node`.
USER 1000:1000
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["node", "/app/health.mjs"]
# No shell and no npm in between: the process is PID 1 and gets the signals itself.
ENTRYPOINT ["node", "/app/dist/main.js"]
