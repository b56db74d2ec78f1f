"""The scikit-learn model of the working folder as people usually serve it; perf/python.sh compares with it."""

import joblib
import numpy as np
from fastapi import FastAPI, Request

app = FastAPI()
model = joblib.load("model.joblib")


@app.get("/health")
def health():
    return {"ready": True}


@app.post("/predict")
async def predict(request: Request):
    tensor = (await request.json())["inputs"][0]
    rows = np.asarray(tensor["data"], dtype=np.float64).reshape(tensor["shape"])
    return {"outputs": [{"name": "output__0", "data": model.predict(rows).tolist()}]}
