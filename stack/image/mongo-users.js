// At the first start, on the database `measurements`: who writes measurements, and who reads them. Nobody else has an account.
db = db.getSiblingDB("measurements");
db.createUser({user: "mongo_import", pwd: process.env.MONGO_IMPORT_PASSWORD, roles: ["readWrite"]});
db.createUser({user: "mongo_read", pwd: process.env.MONGO_READ_PASSWORD, roles: ["read"]});
